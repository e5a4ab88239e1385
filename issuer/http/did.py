"""`did.json`: the DID documents of accounts and agents (did:web)."""

from collections.abc import Iterable

from aiohttp import web

from issuer.http.answers import answer
from issuer.services import Services

_MEDIA_TYPE = "application/did+json"
_CACHE = "public, max-age=60"


def routes(services: Services) -> Iterable[web.RouteDef]:
    """The routes of DID documents."""

    async def agent(request: web.Request) -> web.Response:
        document = await services.dids.agent(request.match_info["account"], request.match_info["path"])
        return answer(document, cache=_CACHE, media_type=_MEDIA_TYPE)

    async def account(request: web.Request) -> web.Response:
        return answer(await services.dids.account(request.match_info["account"]), cache=_CACHE, media_type=_MEDIA_TYPE)

    return [
        web.get("/account/{account}/did.json", account),
        web.get("/account/{account}/agent/{path:.+}/did.json", agent),
    ]
