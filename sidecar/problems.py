"""Problem documents (RFC 9457) for what the sidecar raises: the HTTP half of the edge."""

import msgspec
from aiohttp import web
from msgspec import Struct

from remit.errors import InvalidInputError, RefusedError, RemitError, UnavailableError
from sidecar.errors import IssuerRefusedError

MEDIA_TYPE = "application/problem+json"
"""The content type of a problem document."""

_STATUS_OF_CODE = {
    "not_found": 404,
    "conflict": 409,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "overloaded": 503,
    "internal": 500,
}
_TITLES = {
    400: "malformed request",
    401: "not authenticated",
    403: "refused",
    404: "not found",
    405: "method not allowed",
    408: "request timeout",
    409: "conflict",
    413: "body too large",
    415: "unsupported media type",
    500: "internal error",
    503: "unavailable",
}


class _Problem(Struct, frozen=True, omit_defaults=True):
    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str | None = None


def respond(error: RemitError) -> web.Response:
    """The response that says what was wrong."""
    status = _status_of(error)
    problem = _Problem(
        type=f"urn:remit:problem:{error.code}",
        title=_TITLES.get(status, "refused"),
        status=status,
        code=error.code,
        detail=error.detail,
        hint=error.hint,
    )
    return web.Response(status=status, body=msgspec.json.encode(problem), content_type=MEDIA_TYPE)


def _status_of(error: RemitError) -> int:
    if error.code in _STATUS_OF_CODE:
        return _STATUS_OF_CODE[error.code]
    if isinstance(error, IssuerRefusedError) and error.status in (400, 403, 404):
        return error.status
    if isinstance(error, UnavailableError):
        return 503
    if isinstance(error, InvalidInputError):
        return 400
    return 403 if isinstance(error, RefusedError) else 503
