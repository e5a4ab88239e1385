"""An unmodified SPIFFE client (py-spiffe) against the real sidecar."""

import threading

import grpc
import pytest
from spiffe import JwtBundleSet, JwtSource, SpiffeId, WorkloadApiClient
from spiffe._proto import workload_pb2, workload_pb2_grpc
from spiffe.workloadapi.errors import FetchJwtSvidError, FetchX509SvidError, ValidateJwtSvidError

from tests.fakes.sidecar_issuer import FakeIssuer
from tests.fakes.sidecar_process import SidecarProcess

AUDIENCE = "https://api.example.com"


def test_a_client_gets_its_jwt_svid(served: SidecarProcess) -> None:
    """FetchJWTSVID gives the token of the caller's agent for the audience."""
    with WorkloadApiClient(served.endpoint) as client:
        svid = client.fetch_jwt_svid({AUDIENCE})
    assert str(svid.spiffe_id) == "spiffe://example.org/account/acme/agent/planner"
    assert svid.audience == {AUDIENCE}


def test_an_answer_is_cached(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """The second call for the same audience does not ask the issuer, and gives the same token."""
    with WorkloadApiClient(sidecar.endpoint) as client:
        first = client.fetch_jwt_svid({AUDIENCE})
        second = client.fetch_jwt_svid({AUDIENCE})
    assert first.token == second.token
    assert issuer.batches == [1]


def test_the_client_validates_by_the_bundle_and_by_the_sidecar(served: SidecarProcess) -> None:
    """A token is good by the streamed bundle and by ValidateJWTSVID, for its own audience only."""
    with WorkloadApiClient(served.endpoint) as client:
        token = client.fetch_jwt_svid({AUDIENCE}).token
        validated = client.validate_jwt_svid(token, AUDIENCE)
        assert str(validated.spiffe_id) == "spiffe://example.org/account/acme/agent/planner"
        with pytest.raises(ValidateJwtSvidError):
            client.validate_jwt_svid(token, "https://other.example.com")
        with pytest.raises(ValidateJwtSvidError):
            client.validate_jwt_svid(token[:-4] + "AAAA", AUDIENCE)
    with JwtSource(socket_path=served.endpoint, timeout_in_seconds=10) as source:
        svid = source.fetch_svid({AUDIENCE})
        bundle = source.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)
        assert bundle is not None
        assert list(bundle.jwt_authorities) == ["key-1"]


def test_a_bundle_stream_says_what_changed(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """The first message comes at once and whole; a new key comes without asking."""
    seen: list[set[str]] = []
    arrived = threading.Semaphore(0)

    def take(bundles: JwtBundleSet) -> None:
        (bundle,) = bundles.bundles
        seen.append(set(bundle.jwt_authorities))
        arrived.release()

    with WorkloadApiClient(sidecar.endpoint) as client:
        stream = client.stream_jwt_bundles(take, lambda _error: None)
        assert arrived.acquire(timeout=5)
        issuer.keys["key-2"] = next(iter(FakeIssuer().keys.values()))
        assert arrived.acquire(timeout=10)
        stream.cancel()
    assert seen == [{"key-1"}, {"key-1", "key-2"}]


def test_a_stream_ends_with_unavailable(sidecar: SidecarProcess) -> None:
    """When the sidecar stops, streams end with UNAVAILABLE, so that clients connect again."""
    with grpc.insecure_channel(sidecar.endpoint) as channel:
        stub = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
        stream = stub.FetchJWTBundles(workload_pb2.JWTBundlesRequest(), metadata=[("workload.spiffe.io", "true")])
        next(stream)
        assert sidecar.stop() == 0
        with pytest.raises(grpc.RpcError) as raised:
            next(stream)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


def test_no_identity_is_permission_denied(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """A caller whom no entry matches has no identity (Workload Endpoint, section 6)."""
    issuer.entries.clear()
    with WorkloadApiClient(sidecar.endpoint) as client, pytest.raises(FetchJwtSvidError, match="PERMISSION_DENIED"):
        client.fetch_jwt_svid({AUDIENCE})


def test_two_agents_in_one_process_by_hint(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """A process that is entitled to be two agents gets both, or the one it names; never a third."""
    issuer.register("acme/writer", *issuer.entries[0].selectors)
    with WorkloadApiClient(sidecar.endpoint) as client:
        both = {str(svid.spiffe_id) for svid in client.fetch_jwt_svids({AUDIENCE})}
        writer = SpiffeId("spiffe://example.org/account/acme/agent/writer")
        assert client.fetch_jwt_svid({AUDIENCE}, subject=writer).spiffe_id == writer
        for stranger in (
            "spiffe://example.org/account/acme/agent/boss",
            "spiffe://other.org/account/acme/agent/writer",
        ):
            with pytest.raises(FetchJwtSvidError, match="PERMISSION_DENIED"):
                client.fetch_jwt_svid({AUDIENCE}, subject=SpiffeId(stranger))
    assert both == {f"spiffe://example.org/account/acme/agent/{name}" for name in ("planner", "writer")}


def test_x509_is_unimplemented(served: SidecarProcess) -> None:
    """The X.509 profile is answered as not implemented (Workload Endpoint, appendix A)."""
    with WorkloadApiClient(served.endpoint) as client, pytest.raises(FetchX509SvidError, match="UNIMPLEMENTED"):
        client.fetch_x509_svid()


@pytest.mark.parametrize("metadata", [[], [("workload.spiffe.io", "TRUE")], [("workload.spiffe.io", "true")] * 2])
def test_the_security_header_is_required(served: SidecarProcess, metadata: list[tuple[str, str]]) -> None:
    """Without exactly one `workload.spiffe.io: true` every method is InvalidArgument (Workload Endpoint, section 3)."""
    with grpc.insecure_channel(served.endpoint) as channel:
        stub = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
        calls = [
            (stub.FetchJWTSVID, workload_pb2.JWTSVIDRequest(audience=[AUDIENCE])),
            (stub.ValidateJWTSVID, workload_pb2.ValidateJWTSVIDRequest(audience=AUDIENCE, svid="x")),
        ]
        for method, request in calls:
            with pytest.raises(grpc.RpcError) as raised:
                method(request, metadata=metadata)
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        for stream in (stub.FetchJWTBundles(workload_pb2.JWTBundlesRequest(), metadata=metadata),):
            with pytest.raises(grpc.RpcError) as raised:
                next(stream)
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("audience", [[], [""], [AUDIENCE, ""], ["a", "b"], ["x" * 3000]])
def test_an_audience_that_names_nobody_or_several_is_refused(served: SidecarProcess, audience: list[str]) -> None:
    """An agent token has exactly one audience; an empty one is never taken as "any"."""
    with grpc.insecure_channel(served.endpoint) as channel:
        stub = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
        with pytest.raises(grpc.RpcError) as raised:
            stub.FetchJWTSVID(workload_pb2.JWTSVIDRequest(audience=audience), metadata=[("workload.spiffe.io", "true")])
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
