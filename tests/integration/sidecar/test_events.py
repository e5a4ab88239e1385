"""A real issuer's events at the sidecar: what they end is gone at once, without a call; polling is set too slow to help."""

import itertools
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from spiffe import JwtBundleSet, WorkloadApiClient
from spiffe._proto import workload_pb2, workload_pb2_grpc

from remit.jose import parse_unverified
from tests.fakes.issuer_process import AUDIENCE, IssuerProcess, initialize, running
from tests.fakes.sidecar_process import SidecarProcess

_NUMBERS = itertools.count(1)
AT_ONCE_SECONDS = 2.0
"""Far less than the five seconds between two polls."""


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IssuerProcess]:
    """An issuer."""
    with running(initialize(tmp_path_factory.mktemp("issuer") / "data")) as issuer:
        yield issuer


@pytest.fixture
def agent() -> str:
    """An agent of this test's own."""
    return f"acme/agent-{next(_NUMBERS)}"


@pytest.fixture
def sidecar(issuer: IssuerProcess, agent: str) -> Iterator[SidecarProcess]:
    """A sidecar that polls as seldom as it can be told to; below it the uid of this test is the agent."""
    name = agent.replace("/", "-")
    token = issuer.post("/join-tokens", sidecar=name)["token"]
    issuer.register(agent, f"unix:uid:{os.getuid()}", sidecar=name)
    process = SidecarProcess(issuer.url)
    process.start(token, ["--status-poll-seconds", "5"])
    yield process
    process.stop()
    shutil.rmtree(process.folder)


def cached(sidecar: SidecarProcess) -> float:
    """How many answers the cache holds, by its metric."""
    with sidecar.http() as http:
        lines = http.get("/metrics").text.splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("remit_sidecar_cached_answers ")))


def fetch(sidecar: SidecarProcess, agent: str, audience: str = AUDIENCE, **more: Any) -> Any:
    with sidecar.http() as http:
        return http.post("/v1/token", json={"audience": audience, "agent": agent, **more})


def within(seconds: float, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("verb", ["suspend", "revoke"])
def test_the_cache_is_empty_at_the_event(issuer: IssuerProcess, sidecar: SidecarProcess, agent: str, verb: str) -> None:
    """Nobody calls, and nobody polls: the answers of a stopped agent are gone."""
    fetch(sidecar, agent)
    fetch(sidecar, agent, "https://other.example.com")
    assert cached(sidecar) == 2
    issuer.post(f"/{verb}", what=agent, reason="compromised")
    within(AT_ONCE_SECONDS, lambda: cached(sidecar) == 0)
    assert fetch(sidecar, agent).json()["code"] == "agent_not_active"


def test_a_tainted_key_takes_its_tokens_with_it(issuer: IssuerProcess, sidecar: SidecarProcess, agent: str) -> None:
    """They are gone at the event; the next call gets one of another key."""
    first = fetch(sidecar, agent).json()["token"]
    kid = _kid(first)
    issuer.post("/revoke", what=f"key:{kid}", reason="leaked")
    within(AT_ONCE_SECONDS, lambda: cached(sidecar) == 0)
    assert _kid(fetch(sidecar, agent).json()["token"]) != kid


def test_a_stream_ends_with_the_identity_and_comes_back_with_it(
    issuer: IssuerProcess, sidecar: SidecarProcess, agent: str
) -> None:
    """PermissionDenied; who connects again is refused so long as the agent is suspended, and served when it is resumed."""
    fetch(sidecar, agent)
    with grpc.insecure_channel(sidecar.endpoint) as channel:
        stream = _bundles(channel)
        next(stream)
        issuer.post("/suspend", what=agent, reason="looked at")
        began = time.monotonic()
        assert _end_of(stream) is grpc.StatusCode.PERMISSION_DENIED
        assert time.monotonic() - began < AT_ONCE_SECONDS
        assert _end_of(_bundles(channel)) is grpc.StatusCode.PERMISSION_DENIED
        issuer.post("/resume", what=agent, reason="was nothing")
        assert next(_bundles(channel)).bundles


def test_an_unmodified_client_comes_back_by_itself(issuer: IssuerProcess, sidecar: SidecarProcess, agent: str) -> None:
    """py-spiffe tries again after PermissionDenied, and goes on when the agent is resumed."""
    arrived = threading.Semaphore(0)
    failed: list[Exception] = []

    def take(_bundles: JwtBundleSet) -> None:
        arrived.release()

    fetch(sidecar, agent)
    with WorkloadApiClient(sidecar.endpoint) as client:
        stream = client.stream_jwt_bundles(take, failed.append)
        assert arrived.acquire(timeout=5)
        issuer.post("/suspend", what=agent, reason="looked at")
        within(AT_ONCE_SECONDS, lambda: "permission_denied" in _metrics(sidecar))
        assert not arrived.acquire(timeout=0.2)
        issuer.post("/resume", what=agent, reason="was nothing")
        assert arrived.acquire(timeout=20)
        stream.cancel()
    assert failed == []


def test_a_sidecar_that_is_stopped_drops_everything(issuer: IssuerProcess, sidecar: SidecarProcess, agent: str) -> None:
    """At the first answer that says so: the cache is empty, and streams end with Unavailable until it may serve again."""
    fetch(sidecar, agent)
    with grpc.insecure_channel(sidecar.endpoint) as channel:
        stream = _bundles(channel)
        next(stream)
        issuer.post("/revoke", what=f"sidecar:{sidecar.ready['sidecar']}", reason="stolen")
        refused = fetch(sidecar, agent, "https://new.example.com")
        assert refused.status_code == 503, refused.text
        assert cached(sidecar) == 0
        assert _end_of(stream) is grpc.StatusCode.UNAVAILABLE
        assert _end_of(_bundles(channel)) is grpc.StatusCode.UNAVAILABLE


def test_a_sub_agents_tokens_end_with_its_own_status_and_with_its_parents(
    issuer: IssuerProcess, sidecar: SidecarProcess, agent: str
) -> None:
    """Revoking the sub-agent leaves its parent; suspending the parent leaves nothing."""
    with sidecar.http() as http:
        body = {"audience": AUDIENCE, "agent": agent}
        for name in ("reader", "writer"):
            assert http.post("/v1/delegate", json={**body, "sub_agent": name}).status_code == 200
        assert cached(sidecar) == 3  # the parent's own token for the token endpoint is one
        issuer.post("/revoke", what=f"{agent}/sub/reader", reason="done")
        within(AT_ONCE_SECONDS, lambda: cached(sidecar) == 2)
        refused = http.post("/v1/delegate", json={**body, "sub_agent": "reader"})
        assert (refused.status_code, refused.json()["code"]) == (403, "agent_not_active")
        issuer.post("/suspend", what=agent, reason="looked at")
        within(AT_ONCE_SECONDS, lambda: cached(sidecar) == 0)


def test_a_wider_scope_than_the_parents_is_refused_by_name(sidecar: SidecarProcess, agent: str) -> None:
    """With the issuer's code, and what was too wide."""
    with sidecar.http() as http:
        body = {"audience": AUDIENCE, "agent": agent, "sub_agent": "reader", "task": "task-1"}
        read = [{"type": "agent_spend", "version": 1, "actions": ["read"]}]
        wider = [{"type": "agent_spend", "version": 1, "actions": ["read", "write"]}]
        assert http.post("/v1/delegate", json={**body, "authorization_details": read}).status_code == 200
        refused = http.post("/v1/delegate", json={**body, "authorization_details": wider})
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_too_wide")
    assert "write" in refused.json()["detail"]


def test_a_completed_task_takes_what_was_delegated_with_it(
    issuer: IssuerProcess, sidecar: SidecarProcess, agent: str
) -> None:
    """The issuer counts the grants that ended; none of the task's is left active, and the standing token is still there."""
    with sidecar.http() as http:
        fetch(sidecar, agent)
        fetch(sidecar, agent, task="task-1")
        body = {"audience": AUDIENCE, "agent": agent, "sub_agent": "reader/sub/pages", "task": "task-1"}
        assert http.post("/v1/delegate", json=body).status_code == 200
        answer = http.post("/v1/tasks/complete", json={"task": "task-1", "agent": agent})
        assert answer.json() == {"grants": 3}
        within(AT_ONCE_SECONDS, lambda: cached(sidecar) == 1)
        assert http.post("/v1/tasks/complete", json={"task": "task-1", "agent": agent}).json() == {"grants": 0}


def test_an_evicted_sidecar_joins_anew(issuer: IssuerProcess, sidecar: SidecarProcess, agent: str) -> None:
    """Until then it serves nobody; with a new join token it is what it was."""
    name = sidecar.ready["sidecar"]
    fetch(sidecar, agent)
    issuer.post(f"/sidecars/{name}/evict", reason="lost its disk")
    refused = fetch(sidecar, agent, "https://new.example.com")
    assert refused.status_code == 503, refused.text
    assert cached(sidecar) == 0
    sidecar.stop()
    sidecar.start(issuer.post("/join-tokens", sidecar=name)["token"], ["--status-poll-seconds", "5"])
    assert fetch(sidecar, agent).status_code == 200


def _bundles(channel: grpc.Channel) -> Any:
    stub = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
    return stub.FetchJWTBundles(workload_pb2.JWTBundlesRequest(), metadata=[("workload.spiffe.io", "true")])


def _end_of(stream: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as raised:
        next(stream)
    return raised.value.code()  # type: ignore[no-any-return] # grpc has no types


def _metrics(sidecar: SidecarProcess) -> str:
    with sidecar.http() as http:
        return http.get("/metrics").text


def _kid(token: str) -> str:
    return str(parse_unverified(token).unverified_header()["kid"])
