"""Registering one verifier instance at one issuer, which then waits for it whenever it takes authority back.

An instance is one process, from its start to its stop: it has an id of its own, so a forked child is another one. It says which head
it enforces after it does, and that it still lives while the issuer cannot see that from its stream.
"""

import contextlib
import logging
import secrets
from typing import Annotated, Final, Literal

import msgspec

from remit.errors import ConfigurationError, UnavailableError
from remit.verifier.fetch import AnswerError, Fetcher, Request
from remit.verifier.pacing import Backoff, spread
from remit.verifier.provider import ProviderCredential

_LOG: Final = logging.getLogger("remit.verifier")

OnStale = Literal["deny", "allow"]

_REFUSED: Final = (401, 403)
_UNKNOWN: Final = 404
_REFUSED_SECONDS: Final = 60.0
_FIRST_RETRY_SECONDS: Final = 0.1
_MAX_RETRY_SECONDS: Final = 5.0
_GOODBYE_SECONDS: Final = 1.0


class Introduction(msgspec.Struct, frozen=True):
    """What a verifier says of itself.

    Attributes:
        name: for people, at most 128 characters.
        bound_ms: milliseconds after which it refuses by itself what it can no longer confirm, leeway included.
        on_stale: what it does past that bound.
    """

    name: str
    bound_ms: int
    on_stale: OnStale


class _Registered(msgspec.Struct, frozen=True):
    """The answer to a registration."""

    seq: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    heartbeat_seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 1.0


class Registration:
    """One instance, and how it stands with its issuer. Used by one thread; times are seconds of one clock that never steps.

    Attributes:
        instance: its id.
        active: whether the issuer knows it.
        lost: whether it was out of touch for so long that the issuer may have stopped waiting for it.
        said_at: when it last said anything that the issuer took.
        heartbeat_seconds: how often the issuer's stream says that it lives.
    """

    def __init__(
        self, issuer: str, fetcher: Fetcher, credential: ProviderCredential, introduction: Introduction
    ) -> None:
        """Of a new instance at `issuer`; nothing is sent yet."""
        self._issuer = issuer
        self._fetcher = fetcher
        self._credential = credential
        self._introduction = introduction
        self._pace = Backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        self._path = ""
        self._failure = ""
        self._acknowledged = -1
        self.instance = secrets.token_urlsafe(16)
        self.active = False
        self.lost = False
        self.said_at = 0.0
        self.heartbeat_seconds = 1.0

    def due(self, applied: int, quiet_seconds: float) -> float:
        """When to say something next: at once while the issuer does not know what is enforced, else after `quiet_seconds`."""
        if not self.active or applied > self._acknowledged:
            return self._pace.due
        return max(self._pace.due, self.said_at + quiet_seconds)

    def register(self, path: str, *, enforced: int | None, seconds: float, now: float) -> int:
        """Register at `path` and return the head that the issuer named.

        Args:
            path: where verifiers register.
            enforced: the head that is enforced; None while nothing is accepted.
            seconds: how long that may take.
            now: the time.

        Raises:
            ConfigurationError: the issuer refuses the credential.
            UnavailableError: it did not answer as it should.
        """
        self._path = path
        said = {"instance": self.instance, **msgspec.structs.asdict(self._introduction)}
        answer = self._say("POST", "", said if enforced is None else {**said, "enforced": enforced}, seconds, now)
        try:
            registered = msgspec.json.decode(answer, type=_Registered)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._pace.failed(now)
            raise UnavailableError(f"{self._issuer} did not say that the verifier is registered") from error
        self.active, self.lost = True, False
        self.heartbeat_seconds = registered.heartbeat_seconds
        self._acknowledged = -1
        if self._failure:
            _LOG.info("registered at %s again", self._issuer)
        self._failure = ""
        return registered.seq

    def acknowledge(self, applied: int, *, seconds: float, now: float) -> None:
        """Say that head `applied` is enforced; a failure is logged, and `due` says when to try again."""
        try:
            self._say("POST", f"/{self.instance}/acks", {"seq": applied}, seconds, now)
        except (ConfigurationError, UnavailableError) as error:
            self.failed(error)
        else:
            self._acknowledged = applied
            self._pace.succeeded()

    def lose(self) -> None:
        """It was out of touch for longer than its bound: it is to register again before it hears anything."""
        self.active, self.lost = False, True
        self._pace.succeeded()

    def leave(self) -> None:
        """Say goodbye, so that nothing waits for this instance any more; within a second, and never raising."""
        if self._path:
            with contextlib.suppress(ConfigurationError, UnavailableError):
                self._say("DELETE", f"/{self.instance}", None, _GOODBYE_SECONDS, 0.0)

    def identified(self, request: Request) -> Request:
        """`request` for the stream, as of this instance if the issuer knows it."""
        if not self.active:
            return request
        headers = {**request.headers, **self._credential.headers()}
        mark = "&" if "?" in request.path else "?"
        return request._replace(path=f"{request.path}{mark}verifier={self.instance}", headers=headers)

    def rejected(self, status: int, now: float, retry_after: float = 0.0) -> None:
        """The issuer answered `status` to something that was said, or asked for, as this instance."""
        if status in _REFUSED:
            self.active, self.lost, self._path = False, False, ""
            retry_after = spread(_REFUSED_SECONDS)
            self.failed(self._refusal())
        elif status == _UNKNOWN:
            self.active = False
        self._pace.failed(now, at_least=min(retry_after, _REFUSED_SECONDS))

    def failed(self, error: ConfigurationError | UnavailableError) -> None:
        """Log why it is not registered, or not heard, once for each reason."""
        if error.detail != self._failure:
            _LOG.warning("revocations at %s may not wait for this verifier: %s", self._issuer, error)
        self._failure = error.detail

    def _refusal(self) -> ConfigurationError:
        hint = "check the credential, or ask for a new one: remit provider rotate-credential"
        return ConfigurationError(f"{self._issuer} refuses the provider credential", hint=hint)

    def _say(self, method: str, suffix: str, body: object, seconds: float, now: float) -> bytes:
        headers = {"Content-Type": "application/json", **self._credential.headers()}
        request = Request(method, self._path + suffix, headers, None if body is None else msgspec.json.encode(body))
        try:
            answer = self._fetcher.send(request, seconds=seconds)
        except AnswerError as error:
            self.rejected(error.status, now, error.retry_after)
            if error.status not in _REFUSED:
                raise
            raise self._refusal() from None
        except UnavailableError:
            self._pace.failed(now)
            raise
        self.said_at = now
        return answer
