"""aiohttp server: a middleware that lets only verified requests through.

    verifier = remit.Verifier(issuer="https://issuer.example.org", audience="https://api.example.com")

    async def lifespan(app):
        async with verifier:          # the verifier accepts nothing before it is entered
            yield

    app = web.Application(middlewares=[middleware(verifier, public_url="https://api.example.com", exempt=("/healthz",))])
    app.cleanup_ctx.append(lifespan)

A handler finds the credential at `request[CREDENTIAL]`. A `ScopeRefusedError` that it lets out, from `credential.authorize`, becomes a
403. Proofs are compared with `public_url`, never with the request's `Host`. Verifying never waits for the network, so it runs on the
event loop.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web

from remit.credential import Credential
from remit.errors import RefusedError, ScopeRefusedError
from remit.integrations._challenge import ENVIRON_KEY, Guard, Refusal, TokenVerifier
from remit.nonces import ProofNonces

CREDENTIAL: Final = web.RequestKey(ENVIRON_KEY, Credential)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Middleware = Callable[[web.Request, _Handler], Awaitable[web.StreamResponse]]


def middleware(
    verifier: TokenVerifier,
    *,
    public_url: str | None = None,
    exempt: Iterable[str] = (),
    nonces: ProofNonces | None = None,
) -> _Middleware:
    """Make the middleware.

    Args:
        verifier: accepts or refuses tokens; the application enters and leaves it.
        public_url: the URL under which clients reach this application; without it, tokens bound to a key are refused.
        exempt: the exact paths that need no credential.
        nonces: gives the nonces that proofs must carry (RFC 9449 section 9); one object, or one key, for all who serve this URL.

    Raises:
        ConfigurationError: `public_url` or `exempt` is not what it should be.
    """
    guard = Guard(verifier, public_url=public_url, exempt=exempt, nonces=nonces)

    @web.middleware
    async def admit(request: web.Request, handler: _Handler) -> web.StreamResponse:
        if guard.exempts(request.rel_url.raw_path):
            return await handler(request)
        headers = request.headers
        try:
            request[CREDENTIAL] = guard.admit(
                request.method,
                request.rel_url.raw_path,
                headers.getall("Authorization", ()),
                headers.getall("DPoP", ()),
            )
        except RefusedError as error:
            return _response(guard.refusal(error))
        try:
            return await handler(request)
        except ScopeRefusedError as error:
            return _response(guard.refusal(error))

    return admit


def _response(refusal: Refusal) -> web.Response:
    response = web.Response(status=refusal.status, body=refusal.body)
    response.headers.popall("Content-Type", None)
    for name, value in refusal.headers:
        response.headers.add(name, value)
    return response
