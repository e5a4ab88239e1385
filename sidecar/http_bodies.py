"""Bodies of Remit's own HTTP API: read within bounds, decoded strictly, and turned into what the sidecar works with."""

import asyncio
from typing import Annotated, Final, Protocol, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from remit.errors import InvalidInputError
from remit.scope import SpendScope
from sidecar.issue import PersonToken, TokenRequest

_BODY_SECONDS = 30
_JSON = "application/json"
_MAX_WAIT_SECONDS = 30.0

Seconds = Annotated[int, Meta(ge=1, le=2**31)]

T = TypeVar("T")


class Wanted(Protocol):
    """A body that asks for a token."""

    def as_request(self) -> TokenRequest:
        """What it asks for; raises `InvalidInputError`."""


class _TokenRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/token`."""

    audience: str
    task: str | None = None
    authorization_details: tuple[msgspec.Raw, ...] | None = None
    reason: str | None = None
    agent: str | None = None
    task_ttl_seconds: Seconds | None = None
    on_behalf_of: str | None = None

    def as_request(self) -> TokenRequest:
        """See `Wanted`."""
        person = PersonToken.of(self.on_behalf_of) if self.on_behalf_of is not None else None
        scope = scope_of(self.authorization_details)
        return TokenRequest(self.audience, self.agent, self.task, scope, self.reason, self.task_ttl_seconds, person)


class _DelegationRequest(_TokenRequest, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of `POST /v1/delegate`."""

    sub_agent: str
    ttl_seconds: Seconds | None = None

    def as_request(self) -> TokenRequest:
        """See `Wanted`."""
        own = super().as_request()
        return msgspec.structs.replace(own, sub_agent=self.sub_agent, ttl_seconds=self.ttl_seconds)


class _CompletionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/tasks/complete`."""

    task: Annotated[str, Meta(min_length=1, max_length=2048)]
    agent: str | None = None


class TokenReply(Struct, frozen=True, omit_defaults=True):
    """The answer to `POST /v1/token` and to `POST /v1/delegate`."""

    token: str
    issued_at: int
    expires_at: int
    agent: str
    spiffe_id: str
    audience: str
    task: str | None = None
    token_type: str = ""  # always there: `Bearer` or `DPoP`


TOKEN_REQUEST: Final = msgspec.json.Decoder(_TokenRequest)
DELEGATION_REQUEST: Final = msgspec.json.Decoder(_DelegationRequest)
COMPLETION_REQUEST: Final = msgspec.json.Decoder(_CompletionRequest)


async def read_body(request: web.Request) -> bytes:
    """The body of a request; it must be JSON and arrive in time.

    Raises:
        InvalidInputError: it is something else, compressed, cut off, or late.
    """
    if request.headers.get("Content-Type") != _JSON and request.content_type != _JSON:
        raise InvalidInputError(f"the body must be {_JSON}", code="unsupported_media_type")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise InvalidInputError("compressed bodies are not taken", code="unsupported_media_type")
    try:
        if request.content.is_eof():  # it came with the head, as most do
            return await request.read()
        async with asyncio.timeout(_BODY_SECONDS):
            return await request.read()
    except (web.RequestPayloadError, ConnectionError) as error:
        raise InvalidInputError("the body is cut off, or not valid http", code="malformed_request") from error
    except TimeoutError as error:
        raise InvalidInputError("the body did not arrive in time", code="request_timeout") from error


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """What a body says; raises `InvalidInputError` when it is not what it should be."""
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"the body is refused: {error}", code="malformed_request") from error


def scope_of(details: tuple[msgspec.Raw, ...] | None) -> bytes | None:
    """`authorization_details` in one form, so that the same scope is the same cache key; raises `InvalidInputError`."""
    if details is None:
        return None
    if len(details) != 1:
        raise InvalidInputError("authorization_details must have one agent_spend element", code="malformed_request")
    return b"[" + SpendScope.parse(bytes(details[0])).encode() + b"]"


def seconds_of(text: str) -> float:
    """A number of seconds to wait, 0 to 30; raises `InvalidInputError`."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds <= _MAX_WAIT_SECONDS:
        raise InvalidInputError(f"wait_seconds is a number from 0 to {_MAX_WAIT_SECONDS:g}", code="malformed_request")
    return seconds
