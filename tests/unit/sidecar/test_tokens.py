"""Tokens: cached while good, renewed at half-life, dropped when withdrawn."""

import asyncio
import json

import msgspec
import pytest

from remit.errors import InvalidInputError, UnavailableError
from remit.jose import b64url_encode
from sidecar.batching import Batcher
from sidecar.cache import AnswerCache, Replies, StatusEntry
from sidecar.errors import IssuerRefusedError
from sidecar.evidence import Evidence
from sidecar.issue import TokenRequest
from sidecar.tokens import Tokens

REQUEST = TokenRequest("https://api.example.com")


class Issuer:
    """Answers batches; `problem` makes it refuse, `away` makes it silent."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []
        self.problem: dict[str, object] | None = None
        self.away = False

    async def post(self, body: bytes) -> bytes:
        if self.away:
            raise UnavailableError("away", code="issuer_unavailable")
        requests = json.loads(body)["requests"]
        self.asked += requests
        result = {"problem": self.problem} if self.problem else {"credentials": [self.credential()]}
        return json.dumps({"results": [result] * len(requests)}).encode()

    def credential(self) -> dict[str, object]:
        claims = {"status": {"status_list": {"uri": "https://i/statuslists/1", "idx": 5}}, "n": len(self.asked)}
        token = f"e30.{b64url_encode(json.dumps(claims).encode())}.AA"
        spiffe_id = "spiffe://example.org/account/acme/agent/planner"
        return {"agent": "acme/planner", "spiffe_id": spiffe_id, "token": token, "issued_at": 0, "expires_at": 300}


class Withdrawn:
    """The statuses that are known to be withdrawn."""

    def __init__(self) -> None:
        self.entries: set[StatusEntry] = set()

    def is_withdrawn(self, entry: StatusEntry) -> bool:
        return entry in self.entries


class House:
    """The parts around `Tokens`, and a clock that can be set."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.issuer = Issuer()
        self.standing = Withdrawn()
        self.evidence = Evidence(msgspec.Raw(b"{}"), b"digest", 1000, None)
        self.tokens = Tokens(
            Batcher(self.issuer.post),
            AnswerCache(10),
            self.standing,
            encode=lambda _request, _tokens: Replies(b"", b""),
            clock=lambda: self.now,
        )

    async def token(self) -> str:
        answer = self.tokens.cached(self.evidence, REQUEST) or await self.tokens.fetch(self.evidence, REQUEST)
        return answer.tokens[0].token


@pytest.fixture
def house() -> House:
    return House()


async def test_before_half_life_the_issuer_is_not_asked_again(house: House) -> None:
    """A cached answer costs the issuer nothing."""
    first = await house.token()
    house.now += 149
    assert await house.token() == first
    assert len(house.issuer.asked) == 1


async def test_past_half_life_the_old_one_is_given_while_the_new_one_comes(house: House) -> None:
    """Nobody waits for a renewal that is not urgent."""
    first = await house.token()
    house.now += 151
    assert await house.token() == first
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
    assert await house.token() != first
    assert len(house.issuer.asked) == 2


async def test_late_in_its_life_the_new_one_is_waited_for(house: House) -> None:
    """A token that is about to expire is no good answer when a new one can be had."""
    first = await house.token()
    house.now += 271
    assert await house.token() != first


async def test_late_in_its_life_the_old_one_is_given_when_the_issuer_is_away(house: House) -> None:
    """Until it expires it is better than nothing."""
    first = await house.token()
    house.issuer.away = True
    house.now += 299
    assert await house.token() == first
    house.now += 1
    with pytest.raises(UnavailableError):
        await house.token()


async def test_a_renewal_that_is_refused_drops_the_answer(house: House) -> None:
    """The issuer's no is an answer; it outweighs what is left of the token's life."""
    await house.token()
    house.issuer.problem = {"code": "agent_not_active", "detail": "suspended"}
    house.now += 200
    await house.token()
    for _ in range(10):
        await asyncio.sleep(0)
    with pytest.raises(IssuerRefusedError, match="suspended"):
        await house.token()


async def test_a_withdrawn_token_is_not_given(house: House) -> None:
    """Known to be revoked or suspended: the issuer decides anew, and when it is away there is no answer."""
    await house.token()
    house.standing.entries.add(StatusEntry("https://i/statuslists/1", 5))
    house.issuer.away = True
    assert house.tokens.cached(house.evidence, REQUEST) is None
    with pytest.raises(UnavailableError):
        await house.token()


async def test_a_launched_workload_asks_for_its_agent_only(house: House) -> None:
    """Without a hint its agent is asked for; a hint to another is refused here."""
    launched = msgspec.structs.replace(house.evidence, agent="acme/planner")
    await house.tokens.fetch(launched, REQUEST)
    assert house.issuer.asked[-1]["agent"] == "acme/planner"
    assert house.tokens.cached(launched, TokenRequest(REQUEST.audience, agent="acme/planner")) is not None
    with pytest.raises(IssuerRefusedError, match="launched as acme/planner"):
        await house.tokens.fetch(launched, TokenRequest(REQUEST.audience, agent="acme/other"))


@pytest.mark.parametrize("request_", [TokenRequest(""), TokenRequest("a" * 2049), TokenRequest("a", task="")])
async def test_empty_and_endless_words_never_reach_the_issuer(house: House, request_: TokenRequest) -> None:
    """They are refused here, before they share a batch with others."""
    with pytest.raises(InvalidInputError):
        await house.tokens.fetch(house.evidence, request_)
    assert house.issuer.asked == []


async def test_a_token_without_a_status_is_not_kept(house: House) -> None:
    """What could not be withdrawn is not given out."""
    house.issuer.credential = lambda: {  # type: ignore[method-assign]  # the fake is told to misbehave
        "agent": "a", "spiffe_id": "s", "token": "e30.e30.AA", "issued_at": 0, "expires_at": 300,
    }  # fmt: skip
    with pytest.raises(UnavailableError, match="does not parse"):
        await house.token()
