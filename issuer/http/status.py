"""`/statuslists` and `/statuslists/<n>`: which lists there are, and each as a signed Token Status List.

No conditional answers: a 304 would say that nothing has changed without saying when that was looked at.
"""

import re
from collections.abc import Iterable
from typing import Final

from aiohttp import web

from issuer.errors import NotFoundError
from issuer.http.answers import NO_STORE, answer
from issuer.services import Services
from issuer.status.signing import TTL_SECONDS
from remit.statuslist import MEDIA_TYPE

_NUMBER_RE: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


def routes(services: Services) -> Iterable[web.RouteDef]:
    """The routes of status lists."""

    async def announced(_request: web.Request) -> web.Response:
        return answer({"status_lists": await services.status_signer.announced()}, cache=NO_STORE)

    async def status_list(request: web.Request) -> web.Response:
        number = request.match_info["number"]
        if _NUMBER_RE.fullmatch(number) is None:
            raise NotFoundError("there is no such status list")
        token = await services.status_signer.token(int(number))
        response = web.Response(
            body=token.encode("ascii"),
            content_type=MEDIA_TYPE,
            headers={"Cache-Control": f"max-age={TTL_SECONDS}", "Vary": "Accept-Encoding"},
        )
        response.enable_compression()
        return response

    return [web.get("/statuslists", announced), web.get("/statuslists/{number}", status_list)]
