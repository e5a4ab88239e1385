"""The agent's side: tokens from the sidecar, kept until half of their life is over."""

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

import msgspec

from remit.errors import InvalidInputError, RefusedError, UnavailableError
from remit.forking import renew_after_fork
from remit.ids import SPIFFEID, AgentName, TrustDomain
from remit.scope import SpendScope
from remit.sidecar_socket import exchange, find_socket

_MAX_HELD: Final = 256
_RETRY_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What an agent asks for.

    Attributes:
        audience: the provider that the token is for.
        task: the task it is for, or None for the agent's standing authority.
        scope: what to narrow the grant's scope to, or None for all of it.
        reason: why the agent wants it; recorded in the audit log, never in the token.
        agent: which agent, where the process is entitled to several.
    """

    audience: str
    task: str | None = None
    scope: SpendScope | None = None
    reason: str | None = None
    agent: str | None = None

    def to_wire(self) -> dict[str, object]:
        """The body of `POST /v1/token`."""
        wire: dict[str, object] = {
            "audience": self.audience,
            "task": self.task,
            "reason": self.reason,
            "agent": self.agent,
        }
        if self.scope is not None:
            wire["authorization_details"] = [self.scope.to_wire()]
        return {name: value for name, value in wire.items() if value is not None}


@dataclass(frozen=True, slots=True)
class AgentToken:
    """A token of the agent; its `repr` leaves the token itself out.

    Attributes:
        token: what goes into the `Authorization: Bearer` header.
        issued_at: unix seconds.
        expires_at: unix seconds.
        agent: whom it identifies.
        spiffe_id: the same, as a SPIFFE ID.
        audience: the provider that it is for.
        task: the task that it is for, or None.
    """

    token: str = field(repr=False)
    issued_at: int
    expires_at: int
    agent: AgentName
    spiffe_id: SPIFFEID
    audience: str
    task: str | None

    @property
    def renew_at(self) -> float:
        """When half of its life is over, in unix seconds."""
        return (self.issued_at + self.expires_at) / 2


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the calling process is to the sidecar.

    Attributes:
        agents: the agents that it may act for, the most specific first.
        trust_domain: the trust domain they are in.
        issuer: the URL of the issuer.
    """

    agents: tuple[AgentName, ...]
    trust_domain: TrustDomain
    issuer: str


class _TokenWire(msgspec.Struct, frozen=True):
    token: str
    issued_at: int
    expires_at: int
    agent: str
    spiffe_id: str
    audience: str
    task: str | None = None


class _IdentityWire(msgspec.Struct, frozen=True):
    agents: list[str]
    trust_domain: str
    issuer: str


@dataclass(slots=True)
class _Slot:
    """One request's token, the lock of whoever fetches it, and when to try again after a failure."""

    token: AgentToken | None = None
    retry_at: float = 0.0
    lock: Lock = field(default_factory=Lock)


class Client:
    """Gets tokens from the sidecar beside this process; safe for threads.

    A token is fetched once for all who want it at the same time, held until half of its life is over, and used on for
    as long as it is valid while the sidecar is away.
    """

    def __init__(
        self,
        socket: str | os.PathLike[str] | None = None,
        *,
        timeout_seconds: float = 15.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Find the sidecar; nothing is sent yet.

        Args:
            socket: the sidecar's HTTP socket; by default `REMIT_SIDECAR_SOCKET`, or `remit.sock` beside `SPIFFE_ENDPOINT_SOCKET`.
            timeout_seconds: how long any one step of an exchange may take.
            clock: the time in unix seconds.

        Raises:
            ConfigurationError: no socket is given or named by the environment.
        """
        self._path = find_socket(socket, os.environ)
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._slots: OrderedDict[TokenRequest, _Slot] = OrderedDict()
        self._lock = Lock()
        renew_after_fork(self)

    def token(
        self,
        audience: str,
        *,
        task: str | None = None,
        scope: SpendScope | None = None,
        reason: str | None = None,
        agent: str | None = None,
    ) -> AgentToken:
        """A token for `audience`; see `TokenRequest` for the arguments, and `fetch` for the errors."""
        return self.fetch(TokenRequest(audience, task, scope, reason, agent))

    def fetch(self, request: TokenRequest) -> AgentToken:
        """The token that `request` asks for: the one held, or a new one.

        Raises:
            RefusedError: the sidecar or the issuer refused, with its `code` and `hint`.
            UnavailableError: the sidecar did not answer, and no token that is still valid is held.
        """
        slot = self._slot(request)
        held, now = slot.token, self._clock()
        if held is not None and now < held.renew_at:
            return held
        if held is not None and now < held.expires_at:
            if not slot.lock.acquire(blocking=False):
                return held  # another thread renews it
        else:
            slot.lock.acquire()
        try:
            return self._renewed(request, slot)
        finally:
            slot.lock.release()

    def held(self, request: TokenRequest) -> AgentToken | None:
        """The token held for `request` while it needs no renewal, otherwise None; never waits."""
        slot = self._slots.get(request)
        token = None if slot is None else slot.token
        return token if token is not None and self._clock() < token.renew_at else None

    def forget(self, token: AgentToken) -> None:
        """Drop `token`, which a provider refused, so that the next `fetch` asks the sidecar again."""
        with self._lock:
            for slot in self._slots.values():
                if slot.token == token:
                    slot.token = None

    def identity(self) -> Identity:
        """Who this process is to the sidecar; raises as `fetch` does."""
        return _identity(self._exchange("GET", "/v1/identity", None))

    def after_fork(self) -> None:
        """See `remit.forking`; the child goes on with the tokens that are held, and fetches on its own."""
        self._lock = Lock()
        for slot in self._slots.values():
            slot.lock = Lock()

    def _renewed(self, request: TokenRequest, slot: _Slot) -> AgentToken:
        held, now = slot.token, self._clock()
        if held is not None and (now < held.renew_at or now < min(held.expires_at, slot.retry_at)):
            return held  # renewed, or tried in vain, by another thread meanwhile
        try:
            slot.token = self._requested(request)
        except RefusedError:
            slot.token = None
            raise
        except UnavailableError:
            if held is None or now >= held.expires_at:
                raise
            slot.retry_at = now + _RETRY_SECONDS
            return held
        return slot.token

    def _requested(self, request: TokenRequest) -> AgentToken:
        token = _token(self._exchange("POST", "/v1/token", request.to_wire()))
        if token.audience != request.audience:
            raise UnavailableError("the sidecar answered with a token for another audience")
        return token

    def _exchange(self, method: str, target: str, body: object) -> object:
        return exchange(self._path, method, target, body, timeout_seconds=self._timeout_seconds)

    def _slot(self, request: TokenRequest) -> _Slot:
        with self._lock:
            slot = self._slots.setdefault(request, _Slot())
            self._slots.move_to_end(request)
            if len(self._slots) > _MAX_HELD:
                self._slots.popitem(last=False)
            return slot


def _token(answer: object) -> AgentToken:
    """The token in the answer; fields that this version does not know are left alone."""
    try:
        wire = msgspec.convert(answer, _TokenWire)
        agent, spiffe_id = AgentName.parse(wire.agent), SPIFFEID.parse(wire.spiffe_id)
    except (msgspec.ValidationError, InvalidInputError) as error:
        raise _not_understood(error) from None
    return AgentToken(wire.token, wire.issued_at, wire.expires_at, agent, spiffe_id, wire.audience, wire.task)


def _identity(answer: object) -> Identity:
    try:
        wire = msgspec.convert(answer, _IdentityWire)
        return Identity(tuple(map(AgentName.parse, wire.agents)), TrustDomain(wire.trust_domain), wire.issuer)
    except (msgspec.ValidationError, InvalidInputError) as error:
        raise _not_understood(error) from None


def _not_understood(error: Exception) -> UnavailableError:
    return UnavailableError(f"the sidecar's answer is not understood: {error}", hint="are both of one version?")
