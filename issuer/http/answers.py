"""Rendering answers: JSON of any msgspec value, and how long it may be kept."""

from typing import Final

import msgspec
from aiohttp import web

NO_STORE: Final = "no-store"
"""`Cache-Control` of whatever is secret, or true only now."""

_encode: Final = msgspec.json.Encoder().encode


def answer(
    value: object, status: int = 200, *, cache: str = NO_STORE, media_type: str = "application/json"
) -> web.Response:
    """The response that carries `value` as JSON.

    Args:
        value: anything that msgspec encodes.
        status: the HTTP status.
        cache: `Cache-Control`.
        media_type: the content type.
    """
    return web.Response(body=_encode(value), status=status, content_type=media_type, headers={"Cache-Control": cache})
