"""Tokens for workloads: from the cache while they are good, from the issuer otherwise.

    cached    not expired, and nothing known against it; past half of its life it is renewed behind
    fetch     one request to the issuer for all who wait for the same answer
    delegated obtained the same way, by exchanging the token of who delegates, which is an answer like others

At each change of status or keys `drop_withdrawn` forgets what the change ended, and what lands later is held against the same
knowledge. While the issuer is away, cached answers go on until they expire. When it refuses a renewal, the answer is dropped
at once. A renewal starts with a call, because only a call proves that the workload still lives: no token is ever made for the
dead.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from remit.errors import InvalidInputError, UnavailableError
from sidecar.batching import Batcher
from sidecar.cache import LATE_FRACTION, Answer, AnswerCache, Key, Replies, StatusEntry, key_of
from sidecar.errors import IssuerRefusedError
from sidecar.evidence import Evidence
from sidecar.issue import IssuedToken, TokenRequest
from sidecar.token_facts import TokenFacts
from sidecar.wanted import as_launched, check

_log = structlog.get_logger(__name__)

_MOST_ASKS = 4


class Standing(Protocol):
    """What is known against tokens."""

    def is_withdrawn(self, entry: StatusEntry) -> bool:
        """Whether a token is known to be revoked or suspended; what is not known is not withdrawn."""

    def is_gone(self, kid: str) -> bool:
        """Whether a signing key was published and is no longer; one that was never seen is not gone."""

    def knowledge(self) -> object:
        """What the two answer by now: equal to what it was before, as long as they answer the same."""


class Exchanger(Protocol):
    """Makes a sub-agent's token of the token of who delegates.

    Attributes:
        endpoint: the one audience of a token that can be exchanged.
    """

    endpoint: str

    async def exchange(self, subject: IssuedToken, request: TokenRequest) -> IssuedToken:
        """See `sidecar.exchange.Exchange`."""


def boottime() -> float:
    """Seconds since boot, those asleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Tokens:
    """The door to tokens."""

    def __init__(
        self,
        batcher: Batcher,
        exchanger: Exchanger,
        cache: AnswerCache,
        standing: Standing,
        *,
        encode: Callable[[TokenRequest, tuple[IssuedToken, ...]], Replies],
        clock: Callable[[], float] = boottime,
    ) -> None:
        """`clock` is the cache's; `encode` makes the replies that are kept with an answer."""
        self._batcher = batcher
        self._exchanger = exchanger
        self._cache = cache
        self._standing = standing
        self._encode = encode
        self._clock = clock
        self._flights: dict[Key, asyncio.Task[Answer]] = {}
        self._not_before: dict[Key, float] = {}
        self._expulsions = 0

    def __len__(self) -> int:
        return len(self._cache)

    def cached(self, evidence: Evidence, request: TokenRequest) -> Answer | None:
        """An answer that may be given now; None: `fetch` it.

        Raises:
            InvalidInputError: the audience is the issuer's own token endpoint.
            IssuerRefusedError: the workload was launched as another agent than the one it asks for.
        """
        self._refuse_own_audience(request)
        return self._cached(evidence, request)

    def _cached(self, evidence: Evidence, request: TokenRequest) -> Answer | None:
        request = as_launched(evidence, request)
        key = key_of(evidence.digest, request)
        now = self._clock()
        answer = self._cache.get(key, now)
        if answer is None:
            return None
        for status in answer.statuses:
            if self._standing.is_withdrawn(status):
                self._cache.drop(key)
                return None
        if now >= answer.renew_at:
            self._renew(key, evidence, request, now)
            if now >= answer.late_at and key in self._flights:
                return None
        return answer

    async def fetch(self, evidence: Evidence, request: TokenRequest) -> Answer:
        """Get an answer from the issuer, together with all others who want the same.

        Raises:
            InvalidInputError: the audience is empty or the issuer's own token endpoint, something is too long, or a sub-agent's
                name is none.
            IssuerRefusedError: the workload is not entitled to it.
            UnavailableError: the issuer does not answer, and nothing good is cached.
        """
        self._refuse_own_audience(request)
        return await self._fetched(evidence, request)

    async def _fetched(self, evidence: Evidence, request: TokenRequest) -> Answer:
        check(request)
        request = as_launched(evidence, request)
        key = key_of(evidence.digest, request)
        flight = self._flights.get(key) or self._start(key, evidence, request)
        try:
            return await asyncio.shield(flight)
        except UnavailableError:
            answer = self._cache.get(key, self._clock())
            if answer is None or self._is_withdrawn(answer):
                raise
            return answer

    def drop_withdrawn(self) -> int:
        """Forget every answer that something is known against; how many those were."""
        return self._cache.drop_where(self._is_withdrawn)

    def drop_task(self, task: str, agents: frozenset[str]) -> int:
        """Forget the answers for a task of those agents, and of what they delegated to; how many those were."""

        def is_of_task(answer: Answer) -> bool:
            return any(
                token.task == task and any(token.agent == name or token.agent.startswith(f"{name}/") for name in agents)
                for token in answer.tokens
            )

        return self._cache.drop_where(is_of_task)

    def drop_bound(self, agent: str) -> int:
        """Forget the answers that are bound to a key of that agent, as another one took its place; how many those were."""
        return self._cache.drop_where(
            lambda answer: any(token.is_bound and token.agent == agent for token in answer.tokens)
        )

    def drop_all(self) -> None:
        """Forget every answer, those on their way too: the issuer no longer accepts this sidecar."""
        self._expulsions += 1
        self._cache.drop_where(lambda _answer: True)

    def tidy(self) -> None:
        """Forget what has expired."""
        now = self._clock()
        self._cache.drop_where(lambda answer: now >= answer.expires_at)
        self._not_before = {key: at for key, at in self._not_before.items() if at > now}

    async def close(self) -> None:
        """Stop renewing."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _is_withdrawn(self, answer: Answer) -> bool:
        return any(map(self._standing.is_withdrawn, answer.statuses)) or any(map(self._standing.is_gone, answer.kids))

    def _renew(self, key: Key, evidence: Evidence, request: TokenRequest, now: float) -> None:
        if key not in self._flights and now >= self._not_before.get(key, 0.0):
            # Should the issuer be away, the next try is a second later: its circuit spaces them further.
            self._not_before[key] = now + 1.0
            self._start(key, evidence, request)

    def _start(self, key: Key, evidence: Evidence, request: TokenRequest) -> asyncio.Task[Answer]:
        flight = asyncio.get_running_loop().create_task(self._issue(key, evidence, request))
        self._flights[key] = flight
        flight.add_done_callback(lambda done: self._landed(key, done))
        return flight

    def _landed(self, key: Key, flight: asyncio.Task[Answer]) -> None:
        del self._flights[key]
        if not flight.cancelled() and (error := flight.exception()) is not None:
            _log.info("no token", code=getattr(error, "code", type(error).__name__), detail=str(error))

    async def _issue(self, key: Key, evidence: Evidence, request: TokenRequest) -> Answer:
        for _ in range(_MOST_ASKS):
            known = self._standing.knowledge()
            try:
                answer = await self._ask(evidence, request)
            except IssuerRefusedError:
                self._cache.drop(key)
                raise
            if not self._is_withdrawn(answer):
                self._cache.put(key, answer)
                return answer
            if self._standing.knowledge() == known:  # the issuer decided after all that: given, but not kept
                return answer
        raise UnavailableError(
            "what is granted is withdrawn as fast as it is asked for", hint="try again with a backoff"
        )

    def _refuse_own_audience(self, request: TokenRequest) -> None:
        """Tokens that can be exchanged for those of sub-agents stay here."""
        if request.audience == self._exchanger.endpoint:
            hint = "POST /v1/delegate gives tokens of sub-agents"
            raise InvalidInputError("no token is given out for the token endpoint", code="malformed_request", hint=hint)

    async def _ask(self, evidence: Evidence, request: TokenRequest) -> Answer:
        asked_at, expulsions = self._clock(), self._expulsions
        tokens = await self._obtain(evidence, request)
        if expulsions != self._expulsions:
            raise UnavailableError("the issuer does not accept this sidecar", hint="see the sidecar's log")
        facts = [TokenFacts.read(token.token) for token in tokens]
        life = min(token.expires_at - token.issued_at for token in tokens)
        return Answer(
            tokens=tokens,
            statuses=tuple(fact.status for fact in facts),
            kids=tuple(fact.kid for fact in facts),
            replies=self._encode(request, tokens),
            renew_at=asked_at + life / 2,
            late_at=asked_at + life * LATE_FRACTION,
            expires_at=asked_at + life,
            jkt=facts[0].jkt,
        )

    async def _obtain(self, evidence: Evidence, request: TokenRequest) -> tuple[IssuedToken, ...]:
        if request.sub_agent is None:
            return await self._batcher.issue(evidence, request)
        above = request.for_delegator(self._exchanger.endpoint)
        answer = self._cached(evidence, above)
        if answer is None or self._clock() >= answer.renew_at:
            # No delegated token outlives its subject token, so that one is a young one.
            answer = await self._fetched(evidence, above)
        return (await self._exchanger.exchange(answer.tokens[0], request),)
