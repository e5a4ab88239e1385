"""The Workload API's messages."""

from pathlib import Path

import pytest
from grpclib.exceptions import GRPCError
from spiffe._proto import workload_pb2

from sidecar.issue import IssuedToken
from sidecar.workload_api import compile as compiler
from sidecar.workload_api import messages

TOKENS = (
    IssuedToken("acme/a", "spiffe://example.org/account/acme/agent/a", "x.y.z", 0, 300),
    IssuedToken("acme/b", "spiffe://example.org/account/acme/agent/b", "u.v.w", 0, 300),
)


def test_they_live_beside_those_of_another_spiffe_library() -> None:
    """py-spiffe's copy of the same package-less proto is in this process, and the two understand each other."""
    request = workload_pb2.JWTSVIDRequest(audience=["a", "b"], spiffe_id="spiffe://example.org/x")
    assert messages.decode_jwt_svid_request(request.SerializeToString()) == (["a", "b"], "spiffe://example.org/x")
    reply = workload_pb2.JWTSVIDResponse.FromString(messages.encode_jwt_svids(TOKENS))
    assert [(svid.spiffe_id, svid.svid) for svid in reply.svids] == [(one.spiffe_id, one.token) for one in TOKENS]
    bundles = workload_pb2.JWTBundlesResponse.FromString(messages.encode_bundles({"spiffe://example.org": b"{}"}))
    assert dict(bundles.bundles) == {"spiffe://example.org": b"{}"}
    asked = workload_pb2.ValidateJWTSVIDRequest(audience="a", svid="x.y.z").SerializeToString()
    assert messages.decode_validate_request(asked) == ("a", "x.y.z")


def test_claims_become_a_struct() -> None:
    """Nested objects, lists, numbers and null cross as JSON does."""
    claims = {"sub": "s", "exp": 300, "list": [1, {"deep": None}], "yes": True}
    reply = workload_pb2.ValidateJWTSVIDResponse.FromString(messages.encode_validated("s", claims))  # type: ignore[arg-type]  # the test's literal
    assert (reply.spiffe_id, reply.claims["exp"], reply.claims["yes"]) == ("s", 300.0, True)
    assert reply.claims["list"][1]["deep"] is None


def test_what_does_not_parse_is_an_invalid_argument() -> None:
    """Bytes that are no message are the client's mistake."""
    with pytest.raises(GRPCError, match="does not parse"):
        messages.decode_jwt_svid_request(b"\xff")


def test_the_compiled_descriptors_are_those_of_the_proto(tmp_path: Path) -> None:
    """workload.binpb was compiled from workload.proto as it is."""
    compiled = tmp_path / "workload.binpb"
    assert compiler.compile_descriptors(compiled) == 0
    assert compiled.read_bytes() == (Path(compiler.__file__).parent / "workload.binpb").read_bytes()
