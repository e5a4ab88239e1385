"""The agent's side: tokens from the sidecar, kept until half of their life is over."""

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

import msgspec

from remit.agent_key import AgentKey
from remit.agent_tokens import AgentToken, Identity, TokenRequest, not_understood
from remit.errors import ConfigurationError, RefusedError, UnavailableError
from remit.forking import renew_after_fork
from remit.scope import SpendScope
from remit.sidecar_keys import proof_by_sidecar, register, require_bound_to
from remit.sidecar_socket import exchange, find_socket

__all__ = ["AgentToken", "Client", "Identity", "TokenRequest"]

_MAX_HELD: Final = 256
_RETRY_SECONDS: Final = 5


class _CompletedWire(msgspec.Struct, frozen=True):
    grants: int


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
        key: AgentKey | None = None,
    ) -> None:
        """Find the sidecar; nothing is sent yet.

        Args:
            socket: the sidecar's HTTP socket; by default `REMIT_SIDECAR_SOCKET`, or `remit.sock` beside `SPIFFE_ENDPOINT_SOCKET`.
            timeout_seconds: how long any one step of an exchange may take.
            clock: the time in unix seconds.
            key: the agent's own key; it is registered before the first token is asked for. Without one, the sidecar makes and
                holds a key where tokens have to be bound to one.

        Raises:
            ConfigurationError: no socket is given or named by the environment.
        """
        self._path = find_socket(socket, os.environ)
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._slots: OrderedDict[TokenRequest, _Slot] = OrderedDict()
        self._key = key
        self._registered: set[str | None] = set()
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
        on_behalf_of: str | None = None,
        task_ttl_seconds: int | None = None,
    ) -> AgentToken:
        """A token for `audience`; see `TokenRequest` for the arguments, and `fetch` for the errors."""
        return self.fetch(TokenRequest(audience, task, scope, reason, agent, on_behalf_of, task_ttl_seconds))

    def delegate(
        self,
        sub_agent: str,
        audience: str,
        *,
        task: str | None = None,
        scope: SpendScope | None = None,
        reason: str | None = None,
        agent: str | None = None,
        on_behalf_of: str | None = None,
        task_ttl_seconds: int | None = None,
        ttl_seconds: int | None = None,
    ) -> AgentToken:
        """A token for `audience` that identifies a sub-agent of this agent, and permits no more than this agent may.

        See `TokenRequest` for the arguments, and `fetch` for the errors: a wider scope is a `ScopeRefusedError`.
        """
        return self.fetch(
            TokenRequest(audience, task, scope, reason, agent, on_behalf_of, task_ttl_seconds, sub_agent, ttl_seconds)
        )

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

    def complete_task(self, task: str, *, agent: str | None = None) -> int:
        """End `task`: its tokens are dropped here, and everything that was granted for it is revoked for good.

        Args:
            task: the task.
            agent: whose task, where the process is entitled to several; every one of them by default.

        Returns:
            How many grants that ended; 0 when the task had ended before.

        Raises:
            RefusedError: the process is not that agent.
            UnavailableError: not ended, so far as is known: try again.
        """
        self._drop_task(task, agent)
        body = {"task": task} if agent is None else {"task": task, "agent": agent}
        try:
            return msgspec.convert(self._exchange("POST", "/v1/tasks/complete", body), _CompletedWire).grants
        except msgspec.ValidationError as error:
            raise not_understood(error) from None

    def proof(self, method: str, url: str, token: AgentToken, *, nonce: str | None = None) -> str:
        """A proof for one request with a token that is bound to the agent's key: its `DPoP` header (RFC 9449).

        Args:
            method: the request's method.
            url: the request's URL; query and fragment are left out.
            token: the token that goes with it.
            nonce: the nonce that the provider gave, if it did.

        Raises:
            RefusedError: the sidecar does not hold the token's key, or did not give this process the token.
            ProofRefusedError: the token is bound to another key than this client's (`key_mismatch`).
            UnavailableError: the sidecar did not answer.
        """
        if self._key is None:
            return proof_by_sidecar(self._exchange, method, url, token, nonce)
        require_bound_to(token, self._key)
        return self._key.proof(method, url, now=int(self._clock()), access_token=token.token, nonce=nonce)

    @property
    def signs_here(self) -> bool:
        """Whether `proof` signs by itself, and never waits for the sidecar."""
        return self._key is not None

    def register_key(self, agent: str | None = None) -> None:
        """Register this client's key as the agent's, in place of the one before; `fetch` does so by itself the first time.

        Args:
            agent: which agent, where the process is entitled to several.

        Raises:
            ConfigurationError: the client was given no key.
            RefusedError: the process is not that agent, or the key is registered for somebody else, or was replaced before.
            UnavailableError: the sidecar or the issuer did not answer.
        """
        if self._key is None:
            raise ConfigurationError("the client has no key of its own", hint="pass key=remit.AgentKey.load(path)")
        register(self._exchange, self._key, agent, int(self._clock()))
        self._registered.add(agent)

    def identity(self) -> Identity:
        """Who this process is to the sidecar; raises as `fetch` does."""
        return Identity.from_wire(self._exchange("GET", "/v1/identity", None))

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
        if self._key is not None and request.agent not in self._registered:
            self.register_key(request.agent)
        token = AgentToken.from_wire(self._exchange("POST", request.target, request.to_wire()))
        if token.audience != request.audience:
            raise UnavailableError("the sidecar answered with a token for another audience")
        return token

    def _drop_task(self, task: str, agent: str | None) -> None:
        with self._lock:
            for request, slot in self._slots.items():
                held = slot.token
                if held is not None and task in (request.task, held.task) and agent in (None, str(held.agent)):
                    slot.token = None

    def _exchange(self, method: str, target: str, body: object) -> object:
        return exchange(self._path, method, target, body, timeout_seconds=self._timeout_seconds)

    def _slot(self, request: TokenRequest) -> _Slot:
        with self._lock:
            slot = self._slots.setdefault(request, _Slot())
            self._slots.move_to_end(request)
            if len(self._slots) > _MAX_HELD:
                self._slots.popitem(last=False)
            return slot
