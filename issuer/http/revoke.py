"""`POST /revoke`: a token is taken back by its holder or by an operator (RFC 7009).

Who asks shows an operator's credential, or a DPoP proof (RFC 9449) by the key that the token is bound to or by the sidecar that
obtained it; a sidecar's covers the form. What is revoked is what `remit revoke TOKEN` would revoke. Of a token that is not known, or not
of the holder, nothing is said: the answer is always the same.
"""

from collections.abc import Iterable
from typing import Final

from aiohttp import web

from issuer.changes import Change
from issuer.errors import UnauthenticatedError
from issuer.http.answers import answer
from issuer.http.middleware import REFUSAL_RECORDED
from issuer.http.oauth import FORM, parse_form, refused, required
from issuer.http.operators import OperatorGate
from issuer.http.requests import read_body
from issuer.http.sidecars import SidecarGate
from issuer.registry.roles import Action
from issuer.services import Services
from remit.errors import InvalidInputError, RemitError
from remit.jose import parse_unverified

_MAX_BODY: Final = 16_384


def routes(services: Services, operators: OperatorGate, sidecars: SidecarGate) -> Iterable[web.RouteDef]:
    """The route of revocation."""
    return [web.post("/revoke", _RevocationEndpoint(services, operators, sidecars).handle)]


class _RevocationEndpoint:
    """The revocation endpoint of one issuer."""

    def __init__(self, services: Services, operators: OperatorGate, sidecars: SidecarGate) -> None:
        self._services = services
        self._operators = operators
        self._sidecars = sidecars

    async def handle(self, request: web.Request) -> web.Response:
        """Revoke a token, if it is one; `token_type_hint` is of no use here and not looked at."""
        try:
            body = await read_body(request, media_type=FORM, limit=_MAX_BODY)
            token = required(parse_form(body), "token")
            await self._revoke(request, body, token)
        except RemitError as error:
            request[REFUSAL_RECORDED] = True
            return await refused(self._services, request, "revoke", error)
        return answer({})

    async def _revoke(self, request: web.Request, body: bytes, token: str) -> None:
        jti = _jti(token)
        if "Authorization" in request.headers:
            operator = await self._operators.admit(request, Action.STOP)
            if jti is not None:
                await self._services.authority.revoke_token(Change(operator, self._services.clock_ms()), jti)
            return
        if "DPoP" not in request.headers:
            self._sidecars.invite(request)
            raise UnauthenticatedError(
                "it is not said who asks",
                hint="send an operator's credential, or a DPoP proof by the token's key or its sidecar",
            )
        proof = self._sidecars.prove(request, None)
        if jti is not None:
            await self._services.authority.revoke_held_token(
                jti, proof, self._services.clock_ms(), body_covered=proof.covers(body)
            )


def _jti(token: str) -> str | None:
    """The `jti` of what may be a token: it says which record to look up, and nothing else of the token is believed."""
    try:
        jti = parse_unverified(token).unverified_payload().get("jti")
    except InvalidInputError:
        return None
    return jti if isinstance(jti, str) else None
