"""`/openapi.json`: the OpenAPI 3.1 description of every route.

It is made of one table of operations (`operations`) and the msgspec types of what they take and answer (`document`).
docs/reference/openapi.json is the same document for an example issuer; `python -m issuer.http.openapi` prints it.
"""

from collections.abc import Iterable

from aiohttp import web

from issuer.http.answers import answer
from issuer.http.openapi.document import document

__all__ = ["document", "routes"]


def routes(url: str) -> Iterable[web.RouteDef]:
    """The route of the description of the issuer at `url`, its public URL."""
    described = document(url)

    async def serve(_request: web.Request) -> web.Response:
        return answer(described, cache="public, max-age=60")

    return [web.get("/openapi.json", serve)]
