"""Bearer credentials (RFC 6750): the one that a request carries in its header."""

from typing import Final

from aiohttp import web

from issuer.errors import UnauthenticatedError

_SCHEME: Final = "bearer"


def bearer_credential(request: web.Request, *, whose: str, prefix: str) -> str:
    """Return the credential of `Authorization: Bearer …`, which nobody has looked at yet.

    Args:
        request: the request.
        whose: who is asked for one, for the refusal: `operator`.
        prefix: what such a credential begins with, for the hint.

    Raises:
        UnauthenticatedError: there is not exactly one such header.
    """
    headers = request.headers.getall("Authorization", [])
    scheme, _, credential = (headers[0] if len(headers) == 1 else "").partition(" ")
    if scheme.lower() != _SCHEME or not credential or not credential.isascii():
        raise UnauthenticatedError(f"no {whose} credential", hint=f"send `Authorization: Bearer {prefix}…`")
    return credential
