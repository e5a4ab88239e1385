"""Batches: together what comes together, bounded, and nobody suffers for another's mistake."""

import asyncio
import json

import msgspec
import pytest

from remit.errors import RemitError, UnavailableError
from sidecar import batching
from sidecar.batching import Batcher
from sidecar.errors import IssuerRefusedError, OverloadedError
from sidecar.evidence import Evidence
from sidecar.issue import TokenRequest, decode_answer, encode_request

EVIDENCE = Evidence(msgspec.Raw(b'{"attestor":"process"}'), b"d", 1000, None)


def answer(audiences: list[str]) -> bytes:
    credential = {"agent": "a/b", "spiffe_id": "s", "issued_at": 0, "expires_at": 1}
    return json.dumps({"results": [{"credentials": [{**credential, "token": name}]} for name in audiences]}).encode()


class Upstream:
    """Records the audiences of each batch; waits for `gate`."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def post(self, body: bytes) -> bytes:
        audiences = [request["audience"] for request in json.loads(body)["requests"]]
        self.batches.append(audiences)
        await self.gate.wait()
        if "poison" in audiences:
            raise IssuerRefusedError("unreadable", code="malformed_request", status=400)
        return answer(audiences)


async def ask(batcher: Batcher, names: list[str]) -> list[str]:
    outcomes = await asyncio.gather(
        *(batcher.issue(EVIDENCE, TokenRequest(name)) for name in names), return_exceptions=True
    )
    return [one.code if isinstance(one, RemitError) else one[0].token for one in outcomes if not isinstance(one, str)]  # type: ignore[union-attr, index]


async def test_requests_of_one_moment_are_one_batch() -> None:
    """And each gets its own answer."""
    upstream = Upstream()
    names = [str(number) for number in range(100)]
    assert await ask(Batcher(upstream.post), names) == names
    assert upstream.batches == [names]


async def test_a_batch_has_at_most_256_requests() -> None:
    """More leave in several batches."""
    upstream = Upstream()
    names = [str(number) for number in range(600)]
    assert await ask(Batcher(upstream.post), names) == names
    assert [len(batch) for batch in upstream.batches] == [256, 256, 88]


async def test_requests_gather_while_batches_are_under_way() -> None:
    """With two batches out, the next ones wait together and leave as one."""
    upstream = Upstream()
    upstream.gate.clear()
    batcher = Batcher(upstream.post)
    tasks = []
    for number in range(10):
        tasks.append(asyncio.create_task(batcher.issue(EVIDENCE, TokenRequest(str(number)))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    upstream.gate.set()
    await asyncio.gather(*tasks)
    assert [len(batch) for batch in upstream.batches] == [1, 1, 8]


async def test_only_the_culprit_is_refused() -> None:
    """A batch that the issuer cannot read is asked again in halves."""
    assert await ask(Batcher(Upstream().post), ["a", "b", "poison", "c"]) == ["a", "b", "malformed_request", "c"]


async def test_waiting_requests_are_bounded_for_each_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who asks for too much at once is told so; others are not."""
    monkeypatch.setattr(batching, "_MAX_WAITING_PER_UID", 3)
    batcher = Batcher(Upstream().post)
    tasks = [asyncio.create_task(batcher.issue(EVIDENCE, TokenRequest(str(number)))) for number in range(4)]
    other = msgspec.structs.replace(EVIDENCE, uid=2000)
    tasks.append(asyncio.create_task(batcher.issue(other, TokenRequest("other"))))
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(one, OverloadedError) for one in outcomes] == [False, False, False, True, False]


async def test_closing_answers_who_waits() -> None:
    """Nobody is left without an answer at shutdown."""
    upstream = Upstream()
    upstream.gate.clear()
    batcher = Batcher(upstream.post)
    tasks = []
    for number in range(5):
        tasks.append(asyncio.create_task(batcher.issue(EVIDENCE, TokenRequest(str(number)))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await batcher.close()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, UnavailableError) for one in outcomes)


def test_what_is_not_asked_is_not_sent() -> None:
    """An element of the batch has only the members that were given; evidence and scope go as they are."""
    plain = json.loads(encode_request(EVIDENCE, TokenRequest("a")))
    assert plain == {"evidence": {"attestor": "process"}, "audience": "a"}
    full = json.loads(encode_request(EVIDENCE, TokenRequest("a", "acme/b", "t", b'[{"type":"agent_spend"}]', "why")))
    assert full["authorization_details"] == [{"type": "agent_spend"}]
    assert (full["agent"], full["task"], full["reason"]) == ("acme/b", "t", "why")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"results":[]}', b'{"results":[{"credentials":1}]}'])
def test_an_answer_that_does_not_fit_is_unavailable(body: bytes) -> None:
    """Not one outcome for each request: none of them is believed."""
    with pytest.raises(UnavailableError):
        decode_answer(body, 1)


@pytest.mark.parametrize(
    ("result", "kind", "code"),
    [
        ({}, IssuerRefusedError, "no_entry"),
        ({"credentials": []}, IssuerRefusedError, "no_entry"),
        ({"problem": {"code": "no_grant", "detail": "x"}}, IssuerRefusedError, "no_grant"),
        ({"problem": {"code": "internal"}}, UnavailableError, "internal"),
        ({"problem": {"code": "overloaded"}}, UnavailableError, "overloaded"),
    ],
)
def test_outcomes_are_told_apart(result: dict[str, object], kind: type[RemitError], code: str) -> None:
    """Refused is final, unavailable is worth another try; nothing at all is refused."""
    (outcome,) = decode_answer(json.dumps({"results": [result]}).encode(), 1)
    assert isinstance(outcome, kind)
    assert outcome.code == code
