"""The issuer is slow, away, back again, or refuses: what workloads see meanwhile."""

import asyncio
import shutil
import time
from collections.abc import Callable

import httpx

from tests.fakes.sidecar_issuer import FakeIssuer
from tests.fakes.sidecar_process import SidecarProcess


def fetch(sidecar: SidecarProcess, **body: object) -> httpx.Response:
    with sidecar.http() as http:
        return http.post("/v1/token", json={"audience": "https://api.example.com", **body})


def eventually(condition: Callable[[], bool], seconds: float = 12.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_concurrent_new_audiences_leave_in_few_batches(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """Fifty requests for fifty audiences are fifty answers, and a handful of calls to the issuer."""
    issuer.delay_seconds = 0.2

    async def fetch_all() -> list[httpx.Response]:
        transport = httpx.AsyncHTTPTransport(uds=str(sidecar.sockets / "remit.sock"))
        async with httpx.AsyncClient(transport=transport, base_url="http://sidecar", timeout=20) as http:
            asked = [http.post("/v1/token", json={"audience": f"https://api-{n}.example.com"}) for n in range(50)]
            return await asyncio.gather(*asked)

    answers = asyncio.run(fetch_all())
    assert [answer.json()["audience"] for answer in answers] == [f"https://api-{n}.example.com" for n in range(50)]
    assert sum(issuer.batches) == 50
    assert len(issuer.batches) <= 6


def test_concurrent_requests_for_the_same_are_one(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """Whoever asks for what is already being asked for waits for the same answer; the reason makes no difference."""
    issuer.delay_seconds = 0.3

    async def fetch_all() -> set[str]:
        transport = httpx.AsyncHTTPTransport(uds=str(sidecar.sockets / "remit.sock"))
        async with httpx.AsyncClient(transport=transport, base_url="http://sidecar", timeout=20) as http:
            asked = [http.post("/v1/token", json={"audience": "a", "reason": f"because {n}"}) for n in range(20)]
            return {answer.json()["token"] for answer in await asyncio.gather(*asked)}

    assert len(asyncio.run(fetch_all())) == 1
    assert issuer.batches == [1]


def test_one_request_that_the_issuer_cannot_read_does_not_spoil_its_batch(
    sidecar: SidecarProcess, issuer: FakeIssuer
) -> None:
    """A batch that is refused as a whole is asked again in parts: only the culprit is refused."""
    issuer.refuse_batch_with = "poison"

    async def fetch_all() -> list[int]:
        transport = httpx.AsyncHTTPTransport(uds=str(sidecar.sockets / "remit.sock"))
        async with httpx.AsyncClient(transport=transport, base_url="http://sidecar", timeout=20) as http:
            audiences = ["a", "b", "poison", "c", "d"]
            answers = await asyncio.gather(*(http.post("/v1/token", json={"audience": name}) for name in audiences))
            return [answer.status_code for answer in answers]

    assert asyncio.run(fetch_all()) == [200, 200, 400, 200, 200]


def test_cached_answers_continue_while_the_issuer_is_away(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """Away: what is cached is served, what is not is unavailable. Back: everything goes on, in the same session or not."""
    token = fetch(sidecar).json()["token"]
    issuer.stop()
    assert fetch(sidecar).json()["token"] == token
    refused = fetch(sidecar, audience="new")
    assert (refused.status_code, refused.json()["code"]) == (503, "issuer_unavailable")
    issuer.sessions.clear()
    issuer.start()
    eventually(lambda: fetch(sidecar, audience="new").status_code == 200)
    assert fetch(sidecar).json()["token"] == token


def test_a_token_is_renewed_at_half_of_its_life(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """Past half-life a call starts a renewal; until it is there, the old token is given. Renewals resume after an outage."""
    issuer.ttl_seconds = 6
    first = fetch(sidecar).json()["token"]
    assert fetch(sidecar).json()["token"] == first
    issuer.stop()
    time.sleep(3.2)
    assert fetch(sidecar).json()["token"] == first
    issuer.start()
    eventually(lambda: fetch(sidecar).json().get("token") not in (None, first))


def test_an_expired_token_is_never_given(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """When the issuer stays away for longer than a token lives, there is no answer."""
    issuer.ttl_seconds = 2
    assert fetch(sidecar).status_code == 200
    issuer.stop()
    eventually(lambda: fetch(sidecar).status_code == 503, seconds=4)


def test_a_revoked_token_is_dropped(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """Within about a second of the status list, the cache gives the token to nobody any more."""
    assert fetch(sidecar).status_code == 200
    issuer.set_status(issuer.entries[0], 1)
    eventually(lambda: fetch(sidecar).status_code == 403, seconds=5)


def test_a_suspended_token_comes_back_when_it_is_resumed(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """Suspending drops the token; resuming lets the next call get a new one."""
    assert fetch(sidecar).status_code == 200
    issuer.set_status(issuer.entries[0], 2)
    eventually(lambda: fetch(sidecar).status_code == 403, seconds=5)
    issuer.set_status(issuer.entries[0], 0)
    eventually(lambda: fetch(sidecar).status_code == 200, seconds=5)


def test_a_first_start_joins_at_once(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """A key that nobody knows yet is not tried: that would be a refusal in the issuer's audit log."""
    assert issuer.proved == ["/v1/attest/join"]


def test_a_sidecar_that_the_issuer_lost_joins_again(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """A database that was restored does not know the key any more: a join token binds it anew."""
    assert sidecar.stop() == 0
    issuer.registered.clear()
    issuer.join_tokens.add("remit_join_test")
    sidecar.start()
    assert issuer.proved[-2:] == ["/v1/attest/session", "/v1/attest/join"]
    assert fetch(sidecar).status_code == 200


def test_a_restarted_sidecar_needs_no_join_token(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """Its key is known: a session comes by proof of possession."""
    assert sidecar.stop() == 0
    assert not issuer.join_tokens
    sidecar.start(join_token=None)
    assert fetch(sidecar).status_code == 200


def test_a_lost_answer_to_a_join_does_no_harm(issuer: FakeIssuer) -> None:
    """The token is spent and the key is registered, but the sidecar never heard of it: the key alone is enough."""
    process = SidecarProcess(issuer.url)
    process.start()
    (process.folder / "state" / "membership.json").unlink()
    assert process.stop() == 0
    process.start()
    assert fetch(process).status_code == 200
    process.stop()
    shutil.rmtree(process.folder)


def test_a_sidecar_that_is_expelled_forgets_its_tokens(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """When the issuer takes no session of it any more, cached tokens are gone too."""
    assert fetch(sidecar).status_code == 200
    issuer.expelled = True
    issuer.sessions.clear()
    assert fetch(sidecar, audience="new").status_code == 503
    assert fetch(sidecar).status_code == 503


def test_a_sidecar_starts_before_its_issuer() -> None:
    """It serves Unavailable until the issuer is there, then it is ready."""
    issuer = FakeIssuer()
    process = SidecarProcess(issuer.url)
    process.start(wait=False)
    eventually((process.sockets / "remit.sock").exists)
    assert fetch(process).status_code == 503
    with issuer.running():
        eventually(lambda: fetch(process).status_code == 403)
    assert process.stop() == 0
    shutil.rmtree(process.folder)


def test_a_refused_join_token_ends_the_sidecar(issuer: FakeIssuer) -> None:
    """There is nothing to wait for: exit code 1 and one line that says what to do."""
    process = SidecarProcess(issuer.url)
    process.start(join_token="remit_join_wrong", wait=False)
    assert process.process is not None
    assert process.process.wait(10) == 1
    assert "the join token was refused" in process.output()
    assert "remit_join_wrong" not in process.output()
    shutil.rmtree(process.folder)


def test_a_second_sidecar_does_not_steal_a_live_socket(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """The first one goes on; the second ends with exit code 2. After SIGKILL the sockets are taken over."""
    other = SidecarProcess(issuer.url)
    other.sockets = sidecar.sockets
    other.start(wait=False)
    assert other.process is not None
    assert other.process.wait(10) == 2
    assert "another process serves" in other.output()
    assert fetch(sidecar).status_code == 200
    assert sidecar.process is not None
    sidecar.process.kill()
    sidecar.process.wait(10)
    issuer.join_tokens.add("remit_join_test")
    other.start()
    assert fetch(other).status_code == 200
    other.stop()
    shutil.rmtree(other.folder)
