"""Tokens for workloads: from the cache while they are good, from the issuer otherwise.

    cached   not expired, status not revoked or suspended as far as is known; past half of its life it is renewed behind
    fetch    one request to the issuer for all who wait for the same answer

While the issuer is away, cached answers go on until they expire. When it refuses a renewal, the answer is dropped at once.
A renewal starts with a call, because only a call proves that the workload still lives: no token is ever made for the dead.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog
from msgspec import Struct

from remit.errors import InvalidInputError, RemitError, UnavailableError
from remit.jose import parse_unverified
from sidecar.batching import Batcher
from sidecar.cache import LATE_FRACTION, Answer, AnswerCache, Key, Replies, StatusEntry, key_of
from sidecar.errors import IssuerRefusedError
from sidecar.evidence import Evidence
from sidecar.issue import IssuedToken, TokenRequest

_log = structlog.get_logger(__name__)

_MAX_AUDIENCE = 2048
_MAX_WORDS = 4096


class Standing(Protocol):
    """What is known of tokens' status."""

    def is_withdrawn(self, entry: StatusEntry) -> bool:
        """Whether a token is known to be revoked or suspended; what is not known is not withdrawn."""


class _StatusReference(Struct, frozen=True):
    uri: str
    idx: int


class _Status(Struct, frozen=True):
    status_list: _StatusReference


class _Claims(Struct, frozen=True):
    status: _Status


_CLAIMS = msgspec.json.Decoder(_Claims)


def boottime() -> float:
    """Seconds since boot, those asleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Tokens:
    """The door to tokens."""

    def __init__(
        self,
        batcher: Batcher,
        cache: AnswerCache,
        standing: Standing,
        *,
        encode: Callable[[TokenRequest, tuple[IssuedToken, ...]], Replies],
        clock: Callable[[], float] = boottime,
    ) -> None:
        """`clock` is the cache's; `encode` makes the replies that are kept with an answer."""
        self._batcher = batcher
        self._cache = cache
        self._standing = standing
        self._encode = encode
        self._clock = clock
        self._flights: dict[Key, asyncio.Task[Answer]] = {}
        self._not_before: dict[Key, float] = {}

    def __len__(self) -> int:
        return len(self._cache)

    def cached(self, evidence: Evidence, request: TokenRequest) -> Answer | None:
        """An answer that may be given now; None: `fetch` it.

        Raises:
            IssuerRefusedError: the workload was launched as another agent than the one it asks for.
        """
        request = _as_launched(evidence, request)
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
            InvalidInputError: the audience is empty, or something is too long.
            IssuerRefusedError: the workload is not entitled to it.
            UnavailableError: the issuer does not answer, and nothing good is cached.
        """
        _check(request)
        request = _as_launched(evidence, request)
        key = key_of(evidence.digest, request)
        flight = self._flights.get(key) or self._start(key, evidence, request)
        try:
            return await asyncio.shield(flight)
        except UnavailableError:
            answer = self._cache.get(key, self._clock())
            if answer is None or any(self._standing.is_withdrawn(status) for status in answer.statuses):
                raise
            return answer

    def drop_all(self) -> None:
        """Forget every answer: the issuer no longer accepts this sidecar."""
        self._cache.clear()

    def tidy(self) -> None:
        """Forget what has expired."""
        now = self._clock()
        self._cache.drop_expired(now)
        self._not_before = {key: at for key, at in self._not_before.items() if at > now}

    async def close(self) -> None:
        """Stop renewing."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

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
        asked_at = self._clock()
        try:
            tokens = await self._batcher.issue(evidence, request)
        except IssuerRefusedError:
            self._cache.drop(key)
            raise
        answer = self._answer(request, tokens, asked_at)
        self._cache.put(key, answer)
        return answer

    def _answer(self, request: TokenRequest, tokens: tuple[IssuedToken, ...], asked_at: float) -> Answer:
        life = min(token.expires_at - token.issued_at for token in tokens)
        return Answer(
            tokens=tokens,
            statuses=tuple(_status_of(token) for token in tokens),
            replies=self._encode(request, tokens),
            renew_at=asked_at + life / 2,
            late_at=asked_at + life * LATE_FRACTION,
            expires_at=asked_at + life,
        )


def _status_of(token: IssuedToken) -> StatusEntry:
    """Where the token's status is published; the token came from the issuer itself, its signature is for providers."""
    try:
        reference = _CLAIMS.decode(parse_unverified(token.token).payload_bytes).status.status_list
    except (InvalidInputError, msgspec.MsgspecError) as error:
        raise UnavailableError("the issuer's token does not parse", code="issuer_unavailable") from error
    return StatusEntry(reference.uri, reference.idx)


def _as_launched(evidence: Evidence, request: TokenRequest) -> TokenRequest:
    """A workload that was launched as one agent asks for that one only."""
    if evidence.agent is None or evidence.agent == request.agent:
        return request
    if request.agent is not None:
        raise IssuerRefusedError(
            f"this workload was launched as {evidence.agent}", code="no_entry", status=403, hint="leave the agent out"
        )
    return msgspec.structs.replace(request, agent=evidence.agent)


def _check(request: TokenRequest) -> None:
    words: tuple[tuple[str, str | None, int], ...] = (
        ("audience", request.audience, _MAX_AUDIENCE),
        ("agent", request.agent, _MAX_AUDIENCE),
        ("task", request.task, _MAX_AUDIENCE),
        ("reason", request.reason, _MAX_WORDS),
    )
    for name, value, longest in words:
        if value is not None and not 0 < len(value) <= longest:
            raise _malformed(f"{name} must have 1 to {longest} characters")


def _malformed(detail: str) -> RemitError:
    return InvalidInputError(detail, code="malformed_request")
