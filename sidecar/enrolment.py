"""Joining, and keeping a session with the issuer.

The sidecar's key is its lasting credential: a join token registers it once, and from then on a proof by the key is enough
for a new session. So a sidecar that has joined asks for a session first, and one that has not, joins first. Either falls back
on the other: the issuer may have lost the key, or the answer to the join may have been lost.
"""

import asyncio
import contextlib
import time

import msgspec
import structlog
from msgspec import Struct

from remit.errors import ConfigurationError
from sidecar.errors import IssuerRefusedError
from sidecar.state import Membership, StateDir
from sidecar.upstream import IssuerClient

_log = structlog.get_logger(__name__)


class _SessionAnswer(Struct, frozen=True):
    sidecar: str
    spiffe_id: str
    trust_domain: str
    session: str
    expires_at: int


class _Session(Struct, frozen=True):
    token: str
    renew_at: float


class Enrolment:
    """The sidecar's standing with its issuer."""

    def __init__(
        self, client: IssuerClient, state: StateDir, *, join_token: str | None = None, name: str | None = None
    ) -> None:
        """`name` refuses to be enrolled as another sidecar."""
        self._client = client
        self._state = state
        self._join_token = join_token
        self._name = name
        self._session: _Session | None = None
        self._lock = asyncio.Lock()
        self.membership = state.membership()
        if self.membership is not None and self.membership.issuer != client.issuer:
            raise ConfigurationError(
                f"this state_dir belongs to issuer {self.membership.issuer!r}",
                hint="give another --state-dir for another issuer",
            )

    async def post(self, path: str, body: bytes) -> bytes:
        """POST within a session; one that the issuer has forgotten is replaced once.

        Raises:
            UnavailableError, IssuerRefusedError: as `IssuerClient.post`.
            ConfigurationError: the sidecar cannot be enrolled.
        """
        session = await self._current()
        try:
            return await self._client.post(path, body, session.token)
        except IssuerRefusedError as error:
            if error.status != 401:
                raise
        if self._session is session:
            self._session = None
        session = await self._current()
        return await self._client.post(path, body, session.token)

    def forget_session(self) -> None:
        """Open another session for the next request: this one has ended."""
        self._session = None

    async def enrol(self) -> Membership:
        """Get a session; return what the sidecar is enrolled as. Raises as `post`."""
        await self._current()
        if self.membership is None:
            raise ConfigurationError("the sidecar is not enrolled")
        return self.membership

    async def _current(self) -> _Session:
        session = self._session
        if session is not None and time.time() < session.renew_at:
            return session
        async with self._lock:
            if self._session is None or time.time() >= self._session.renew_at:
                self._session = self._accept(await self._open())
            return self._session

    async def _open(self) -> bytes:
        """A session by the key or by the join token, whichever is likely to do; the other one if it is refused."""
        if self._join_token is None:
            try:
                return await self._by_key()
            except IssuerRefusedError as error:
                raise _not_joined(error, self.membership) from error
        if self.membership is not None:
            with contextlib.suppress(IssuerRefusedError):
                return await self._by_key()
        try:
            return await self._by_token(self._join_token)
        except IssuerRefusedError as error:
            if self.membership is None:
                with contextlib.suppress(IssuerRefusedError):
                    return await self._by_key()
            raise _token_refused(error) from error

    async def _by_key(self) -> bytes:
        return await self._client.post("/v1/attest/session", b"{}")

    async def _by_token(self, token: str) -> bytes:
        evidence = {"attestor": "join_token", "evidence": {"token": token}}
        return await self._client.post("/v1/attest/join", msgspec.json.encode(evidence))

    def _accept(self, body: bytes) -> _Session:
        try:
            answer = msgspec.json.decode(body, type=_SessionAnswer)
        except msgspec.MsgspecError as error:
            raise ConfigurationError("the issuer's answer is not that of a Remit issuer") from error
        if self._name is not None and answer.sidecar != self._name:
            raise ConfigurationError(f"enrolled as sidecar {answer.sidecar!r}, but name is {self._name!r}")
        membership = Membership(self._client.issuer, answer.sidecar, answer.spiffe_id, answer.trust_domain)
        if membership != self.membership:
            self._state.remember(membership)
            self.membership = membership
        self._join_token = None
        now = time.time()
        _log.info("session opened", sidecar=answer.sidecar, trust_domain=answer.trust_domain)
        return _Session(answer.session, now + max(1.0, (answer.expires_at - now) / 2))


def _token_refused(error: IssuerRefusedError) -> ConfigurationError:
    return ConfigurationError(
        f"the join token was refused: {error.detail}",
        code=error.code,
        hint=error.hint or "a join token works once and for ten minutes: make one with `remit join-token create NAME`",
    )


def _not_joined(error: IssuerRefusedError, membership: Membership | None) -> ConfigurationError:
    who = f"sidecar {membership.sidecar!r}" if membership is not None else "this sidecar"
    name = membership.sidecar if membership is not None else "NAME"
    return ConfigurationError(
        f"the issuer does not accept {who}: {error.detail}",
        code=error.code,
        hint=f"if it was evicted, or has never joined, give it a join token: `remit join-token create {name}`",
    )
