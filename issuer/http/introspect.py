"""`POST /introspect`: a provider asks whether a token is good (RFC 7662).

It shows its credential, as a bearer's or as HTTP Basic with its name. Only of tokens for its own audiences it hears anything; of every
other one, whatever is wrong with it, that it is not active.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterable
from typing import Final

import msgspec
from aiohttp import web

from issuer.errors import UnauthenticatedError
from issuer.http.answers import answer
from issuer.http.middleware import REFUSAL_RECORDED
from issuer.http.oauth import FORM, parse_form, refused, required
from issuer.http.providers import ProviderGate
from issuer.http.requests import read_body
from issuer.registry.model import Provider
from issuer.services import Services
from remit.errors import RemitError
from remit.verifier.claims import AgentClaims

_MAX_BODY: Final = 16_384
_BASIC: Final = "basic"


class IntrospectionForm(msgspec.Struct, frozen=True):
    """A token to look at (RFC 7662 section 2.1)."""

    token: str
    token_type_hint: str | None = None


class Inactive(msgspec.Struct, frozen=True):
    """The answer for every token that the provider may not accept."""

    active: bool = False


def routes(services: Services, providers: ProviderGate) -> Iterable[web.RouteDef]:
    """The route of introspection."""
    return [web.post("/introspect", _IntrospectionEndpoint(services, providers).handle)]


class _IntrospectionEndpoint:
    """The introspection endpoint of one issuer."""

    def __init__(self, services: Services, providers: ProviderGate) -> None:
        self._services = services
        self._providers = providers

    async def handle(self, request: web.Request) -> web.Response:
        """Say what a token is worth now; `token_type_hint` is of no use here and not looked at."""
        try:
            provider = await self._admit(request)
            token = required(parse_form(await read_body(request, media_type=FORM, limit=_MAX_BODY)), "token")
            claims = await self._services.presented.claims_of(token, provider.audiences, self._services.now())
        except RemitError as error:
            request[REFUSAL_RECORDED] = True
            return await refused(self._services, request, "introspection", error)
        return answer(Inactive() if claims is None else _active(claims))

    async def _admit(self, request: web.Request) -> Provider:
        headers = request.headers.getall("Authorization", [])
        scheme, _, encoded = (headers[0] if len(headers) == 1 else "").partition(" ")
        if scheme.lower() != _BASIC:
            return await self._providers.admit(request)
        name, secret = _basic(encoded)
        provider = await self._providers.admit_secret(request, secret)
        if provider.name != name:
            raise UnauthenticatedError("this is another provider's credential")
        return provider


def _basic(encoded: str) -> tuple[str, str]:
    """Name and secret of HTTP Basic (RFC 7617); neither holds a character that a form would escape (RFC 6749 section 2.3.1)."""
    try:
        name, colon, secret = b64decode(encoded, validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        colon = ""
    if not colon:
        raise UnauthenticatedError(
            "not the name and the credential of a provider", hint="send `Basic NAME:remit_prov_…`"
        )
    return name, secret


def _active(claims: AgentClaims) -> dict[str, object]:
    """What a token says, in the members that RFC 7662 section 2.2 and the token have in common, and the token's own."""
    said = msgspec.json.decode(msgspec.json.encode(claims), type=dict[str, object])
    return {"active": True, "token_type": "DPoP" if "cnf" in said else "Bearer", **said}
