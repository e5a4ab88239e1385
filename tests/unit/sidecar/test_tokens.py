"""Tokens: cached while good, renewed at half-life, dropped when withdrawn."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from remit.errors import InvalidInputError, UnavailableError
from remit.jose import b64url_encode, parse_unverified
from sidecar.batching import Batcher
from sidecar.cache import AnswerCache, Replies, StatusEntry
from sidecar.errors import IssuerRefusedError
from sidecar.evidence import Evidence
from sidecar.issue import IssuedToken, PersonToken, TokenRequest
from sidecar.tokens import Tokens

REQUEST = TokenRequest("https://api.example.com")
PLANNER = "spiffe://example.org/account/acme/agent/planner"
LIST = "https://i/statuslists/1"
REVOKED = StatusEntry(LIST, 5)


class Issuer:
    """Answers batches; `problem` makes it refuse, `away` makes it silent, a cleared `gate` makes it wait."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []
        self.problem: dict[str, object] | None = None
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.kid = "key-1"
        self.index = 5

    async def post(self, body: bytes) -> bytes:
        if self.away:
            raise UnavailableError("away", code="issuer_unavailable")
        await self.gate.wait()
        requests = json.loads(body)["requests"]
        self.asked += requests
        result = (
            {"problem": self.problem} if self.problem else {"credentials": [self.credential(requests[0].get("task"))]}
        )
        return json.dumps({"results": [result] * len(requests)}).encode()

    def credential(self, task: object = None) -> dict[str, object]:
        token = signed(PLANNER, self.index, kid=self.kid, task=task, serial=len(self.asked))
        issued = {"agent": "acme/planner", "spiffe_id": PLANNER, "token": token, "issued_at": 0, "expires_at": 300}
        return issued | ({"task": task} if task is not None else {})


class Exchanger:
    """Exchanges what it is given, and says what that was."""

    endpoint = "https://i/token"

    def __init__(self) -> None:
        self.subjects: list[tuple[str, TokenRequest]] = []

    async def exchange(self, subject: IssuedToken, request: TokenRequest) -> IssuedToken:
        self.subjects.append((subject.agent, request))
        name = f"{subject.agent}/sub/{(request.sub_agent or '').rpartition('/sub/')[2]}"
        spiffe_id = f"{PLANNER}/{name.removeprefix('acme/planner/')}"
        token = signed(spiffe_id, 6, task=subject.task, serial=len(self.subjects))
        return IssuedToken(name, spiffe_id, token, 0, 300, subject.task)


def signed(subject: str, index: int, *, kid: str = "key-1", task: object = None, serial: int = 0) -> str:
    """A token as far as the sidecar looks into one."""
    status = {"status_list": {"uri": LIST, "idx": index}}
    claims = {"sub": subject, "iat": 0, "exp": 300, "status": status, "txn": task, "jti": str(serial)}
    header = b64url_encode(json.dumps({"alg": "ES256", "kid": kid, "typ": "JWT"}).encode())
    return f"{header}.{b64url_encode(json.dumps(claims).encode())}.AA"


class Withdrawn:
    """The statuses that are known to be withdrawn, and the keys that are known to be gone."""

    def __init__(self) -> None:
        self.entries: set[StatusEntry] = set()
        self.kids: set[str] = set()

    def is_gone(self, kid: str) -> bool:
        return kid in self.kids

    def is_withdrawn(self, entry: StatusEntry) -> bool:
        return entry in self.entries

    def knowledge(self) -> object:
        return frozenset(self.entries), frozenset(self.kids)


class House:
    """The parts around `Tokens`, and a clock that can be set."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.issuer = Issuer()
        self.standing = Withdrawn()
        self.evidence = Evidence(msgspec.Raw(b"{}"), b"digest", 1000, None)
        self.exchanger = Exchanger()
        self.tokens = Tokens(
            Batcher(self.issuer.post),
            self.exchanger,
            AnswerCache(10),
            self.standing,
            encode=lambda _request, _tokens: Replies(b"", b""),
            clock=lambda: self.now,
        )

    async def token(self, request: TokenRequest = REQUEST) -> str:
        answer = self.tokens.cached(self.evidence, request) or await self.tokens.fetch(self.evidence, request)
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
    house.standing.entries.add(REVOKED)
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
    house.issuer.credential = lambda _task: {  # type: ignore[method-assign]  # the fake is told to misbehave
        "agent": "a", "spiffe_id": "s", "token": "e30.e30.AA", "issued_at": 0, "expires_at": 300,
    }  # fmt: skip
    with pytest.raises(UnavailableError, match="does not parse"):
        await house.token()


async def test_a_change_drops_what_it_ended_without_a_call(house: House) -> None:
    """Answers of a withdrawn grant, or signed by a key that is gone, leave the cache at once; the others stay."""
    await house.token()
    house.issuer.index, house.issuer.kid = 7, "key-2"
    await house.token(TokenRequest("https://other.example.com"))
    house.issuer.kid = "key-1"
    await house.token(TokenRequest("https://third.example.com"))
    house.standing.entries.add(REVOKED)
    assert (house.tokens.drop_withdrawn(), len(house.tokens)) == (1, 2)
    house.standing.kids.add("key-1")
    assert (house.tokens.drop_withdrawn(), len(house.tokens)) == (1, 1)
    assert house.tokens.drop_withdrawn() == 0


async def test_a_renewal_that_lands_after_the_change_is_not_put_back(house: House) -> None:
    """It was decided before; the issuer is asked once more, and what it says then is given."""
    await house.token()
    house.issuer.gate.clear()
    house.now += 200
    await house.token()
    await turns()
    house.standing.entries.add(REVOKED)
    house.tokens.drop_withdrawn()
    house.issuer.gate.set()
    await turns()
    assert (len(house.tokens), len(house.issuer.asked)) == (0, 3)
    house.issuer.index = 9
    await house.token()
    assert len(house.tokens) == 1


async def test_a_token_that_is_resumed_before_that_is_known_is_given_but_not_kept(house: House) -> None:
    """The issuer knows better than what was published last; once that has come, answers are kept again."""
    house.standing.entries.add(REVOKED)
    assert await house.token() != await house.token()
    assert len(house.tokens) == 0
    house.standing.entries.clear()
    assert await house.token() == await house.token()


async def test_what_is_withdrawn_while_it_is_asked_for_again_is_not_given(house: House) -> None:
    """Each answer is held against all that is known when it lands; what was known when it was asked for, the issuer knew too."""
    house.issuer.gate.clear()
    asked = asyncio.ensure_future(house.token())
    for index in range(5, 8):
        await turns()
        house.standing.entries.add(StatusEntry(LIST, index))
        house.tokens.drop_withdrawn()
        house.issuer.index = index
        house.issuer.gate.set()
        await asyncio.sleep(0)
        house.issuer.gate.clear()
    house.issuer.index = 8
    house.issuer.gate.set()
    assert _index_of(await asked) == 8
    assert len(house.tokens) == 1


async def test_what_is_withdrawn_again_and_again_is_not_given(house: House) -> None:
    """There is an end to asking."""
    post = house.issuer.post

    async def withdrawn_on_its_way(body: bytes) -> bytes:
        house.issuer.index += 1
        answer = await post(body)
        house.standing.entries.add(StatusEntry(LIST, house.issuer.index))
        return answer

    house.tokens._batcher = Batcher(withdrawn_on_its_way)
    with pytest.raises(UnavailableError, match="withdrawn"):
        await house.token()
    assert len(house.issuer.asked) == 4


@pytest.mark.parametrize("sub_agent", [None, "reader"])
async def test_tokens_that_can_be_exchanged_stay_here(house: House, sub_agent: str | None) -> None:
    """Whoever asks for one is refused, also when it is at hand."""
    await house.token(TokenRequest("a", sub_agent="reader/sub/x"))
    asked, request = len(house.issuer.asked), TokenRequest("https://i/token", sub_agent=sub_agent)
    with pytest.raises(InvalidInputError, match="token endpoint"):
        house.tokens.cached(house.evidence, request)
    with pytest.raises(InvalidInputError, match="token endpoint"):
        await house.tokens.fetch(house.evidence, request)
    assert len(house.issuer.asked) == asked


async def test_an_answer_to_a_sidecar_that_was_expelled_meanwhile_is_not_given(house: House) -> None:
    """What is under way when everything is dropped is dropped too."""
    house.issuer.gate.clear()
    asked = asyncio.ensure_future(house.token())
    await turns()
    house.tokens.drop_all()
    house.issuer.gate.set()
    with pytest.raises(UnavailableError, match="does not accept"):
        await asked
    assert len(house.tokens) == 0


async def test_a_task_that_is_over_takes_its_tokens_with_it(house: House) -> None:
    """Those of the agent and of its sub-agents; another task's stay."""
    await house.token(TokenRequest("a", task="task-81"))
    await house.token(TokenRequest("a", task="task-81", sub_agent="reader"))
    await house.token(TokenRequest("a", task="task-82"))
    assert house.tokens.drop_task("task-81", frozenset({"acme/plan"})) == 0
    assert house.tokens.drop_task("task-81", frozenset({"acme/planner"})) == 3
    assert len(house.tokens) == 1


async def test_a_launch_for_a_task_asks_for_that_task(house: House) -> None:
    """Where the workload names none; its own word counts, and so does its life."""
    launched = msgspec.structs.replace(house.evidence, agent="acme/planner", task="task-81", task_ttl_seconds=60)
    await house.tokens.fetch(launched, REQUEST)
    await house.tokens.fetch(launched, TokenRequest("a", task="task-82"))
    asked = [(request["task"], request.get("task_ttl_seconds")) for request in house.issuer.asked]
    assert asked == [("task-81", 60), ("task-82", None)]
    assert house.tokens.cached(launched, TokenRequest(REQUEST.audience, task="task-81")) is not None


async def test_a_delegated_token_comes_of_the_agents_own(house: House) -> None:
    """The agent's token for the token endpoint is exchanged; both are kept, and the narrowing is the last step's alone."""
    person = PersonToken.of("person.jwt")
    request = TokenRequest("https://api.example.com", task="t", scope=b"[]", sub_agent="reader", ttl_seconds=60)
    request = msgspec.structs.replace(request, on_behalf_of=person)
    assert await house.token(request) == await house.token(request)
    assert house.exchanger.subjects == [("acme/planner", request)]
    (asked,) = house.issuer.asked
    assert (asked["audience"], asked["task"], asked["on_behalf_of"]) == ("https://i/token", "t", "person.jwt")
    assert not {"authorization_details", "ttl_seconds", "sub_agent"} & asked.keys()
    assert len(house.tokens) == 2


async def test_delegation_goes_down_step_by_step(house: House) -> None:
    """Each sub-agent on the way gets a token for the token endpoint, which serves its siblings too."""
    await house.token(TokenRequest("a", sub_agent="reader/sub/x"))
    await house.token(TokenRequest("a", sub_agent="reader/sub/y"))
    steps = [(subject, request.audience, request.sub_agent) for subject, request in house.exchanger.subjects]
    assert steps == [
        ("acme/planner", "https://i/token", "reader"),
        ("acme/planner/sub/reader", "a", "reader/sub/x"),
        ("acme/planner/sub/reader", "a", "reader/sub/y"),
    ]


async def test_who_delegates_does_so_with_a_young_token(house: House) -> None:
    """A delegated token ends with its subject token, so an old one is renewed first."""
    await house.token(TokenRequest("a", sub_agent="reader"))
    house.now += 151
    await house.token(TokenRequest("b", sub_agent="reader"))
    assert len(house.issuer.asked) == 2


async def test_delegated_tokens_end_with_a_change_too(house: House) -> None:
    """They have a status of their own."""
    await house.token(TokenRequest("a", sub_agent="reader"))
    house.standing.entries.add(StatusEntry(LIST, 6))
    assert house.tokens.drop_withdrawn() == 1


@pytest.mark.parametrize("task", ["a b", "", "t\n", "x" * 129])
async def test_what_is_no_task_is_refused_here(house: House, task: str) -> None:
    """Nothing is asked of the issuer for it."""
    with pytest.raises(InvalidInputError):
        await house.tokens.fetch(house.evidence, TokenRequest("a", task=task))
    assert house.issuer.asked == []


@pytest.mark.parametrize("name", ["", "/", "a//b", "reader/x", "../x", "reader/sub/", "a" * 3000])
async def test_what_is_no_sub_agents_name_is_refused_here(house: House, name: str) -> None:
    """Nothing is asked of the issuer for it."""
    with pytest.raises(InvalidInputError):
        await house.tokens.fetch(house.evidence, TokenRequest("a", sub_agent=name))
    assert house.issuer.asked == []


def _index_of(token: str) -> object:
    claims: Any = parse_unverified(token).unverified_payload()
    return claims["status"]["status_list"]["idx"]


async def turns() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)
