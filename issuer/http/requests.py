"""Reading requests: content type, size, nesting, and one type that everything must fit.

What does not fit is a `malformed_request` that names the field. Values are not repeated: a secret may have been put into the
wrong place. (`issuer.http.problems` cuts what an error quotes of its input.)
"""

import asyncio
import re
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from remit.errors import InvalidInputError
from remit.jose import strict_json

MAX_BODY_BYTES: Final = 1 << 20
"""Largest body that is read, unless a route says less."""

BODY_SECONDS: Final = web.AppKey("body_seconds", int)
"""How long a body may take to arrive; a minute, unless the application says otherwise."""

_BODY_SECONDS: Final = 60
_MAX_DEPTH: Final = 32
_LOCATION_RE: Final = re.compile(r" - at `(\$[^`]{0,128})`$")

T = TypeVar("T")


async def read_body(
    request: web.Request, *, media_type: str = "application/json", limit: int = MAX_BODY_BYTES
) -> bytes:
    """Return the body.

    Raises:
        InvalidInputError: another content type (`unsupported_media_type`), longer than `limit` (`body_too_large`),
            not here in time (`request_timeout`),
            or cut off (`malformed_request`).
    """
    if request.content_type != media_type or (request.charset or "utf-8").lower() != "utf-8":
        raise InvalidInputError(
            "this content type is not taken here", code="unsupported_media_type", hint=f"send {media_type}"
        )
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise InvalidInputError(
            "compressed bodies are not taken", code="unsupported_media_type", hint="send it as it is"
        )
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    try:
        body = await _whole(request)
    except web.HTTPRequestEntityTooLarge as error:
        raise _too_large(limit) from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise InvalidInputError("the body is cut off, or not valid http", code="malformed_request") from error
    except TimeoutError as error:
        raise InvalidInputError("the body did not arrive in time", code="request_timeout") from error
    if len(body) > limit:
        raise _too_large(limit)
    return body


async def _whole(request: web.Request) -> bytes:
    if request.content.is_eof():  # it came together with the headers, as most do: there is nothing to wait for
        return request.content.read_nowait()
    async with asyncio.timeout(request.app.get(BODY_SECONDS, _BODY_SECONDS)):
        return await request.read()


def decode(body: bytes, shape: type[T], *, bulk: bool = False) -> T:
    """Return the body as a value of `shape`.

    Args:
        body: UTF-8 JSON.
        shape: a struct that forbids unknown fields.
        bulk: do not pay for looking for repeated names: the last of them counts.

    Raises:
        InvalidInputError: it does not fit; `malformed_request`.
    """
    if not bulk:
        strict_json(body, max_bytes=MAX_BODY_BYTES, max_depth=_MAX_DEPTH)
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise _malformed(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidInputError("the body is not json", code="malformed_request") from None


def read_query(request: web.Request, shape: type[T]) -> T:
    """Return the query parameters as a value of `shape`.

    Raises:
        InvalidInputError: one is unknown, comes twice or does not fit; `malformed_request`.
    """
    if len(set(request.query)) != len(request.query):
        raise InvalidInputError("a query parameter comes twice", code="malformed_request")
    try:
        return msgspec.convert(dict(request.query), shape, strict=False)
    except msgspec.ValidationError as error:
        raise _malformed(error) from None


def _too_large(limit: int) -> InvalidInputError:
    return InvalidInputError(f"the body is longer than {limit} bytes", code="body_too_large", hint="send less at once")


def _malformed(error: msgspec.ValidationError) -> InvalidInputError:
    """Say what did not fit where, in words that hold nothing of the input but names of fields."""
    text = str(error)
    location = _LOCATION_RE.search(text)
    where = f" at {location[1]}" if location else ""
    cause = error.__cause__
    if isinstance(cause, InvalidInputError):
        return InvalidInputError(f"{cause.detail}{where}", code="malformed_request", hint=cause.hint)
    what = text[: location.start()] if location else text
    if not what.isprintable():  # the name of an unknown field may hold anything
        what = "an unknown field"
    return InvalidInputError(f"{what[:256]}{where}", code="malformed_request")
