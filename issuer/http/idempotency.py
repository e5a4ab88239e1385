"""The `Idempotency-Key` header: which change a request repeats; `issuer.changes` keeps the promise."""

import hashlib
import re
from typing import Final

from aiohttp import web

from issuer.changes import Once
from remit.errors import InvalidInputError

HEADER: Final = "Idempotency-Key"
"""Name of the header."""

_KEY_RE: Final = re.compile(r"[!-~]{1,255}", re.ASCII)


def once(request: web.Request, body: bytes) -> Once | None:
    """What the request's Idempotency-Key is scoped to, or None without one.

    Raises:
        InvalidInputError: it is not 1 to 255 printable ASCII characters, or comes twice; `malformed_request`.
    """
    keys = request.headers.getall(HEADER, [])
    if not keys:
        return None
    if len(keys) > 1 or _KEY_RE.fullmatch(keys[0]) is None:
        raise InvalidInputError(f"{HEADER} is not 1 to 255 printable ASCII characters", code="malformed_request")
    return Once(f"{request.method} {request.path}", keys[0], hashlib.sha256(body).hexdigest())
