"""How authority ended, and where it lingers."""

from typing import Annotated

import msgspec
from aiohttp import web

from issuer.http.answers import answer
from issuer.http.operators import OperatorGate
from issuer.http.requests import read_query
from issuer.registry.roles import Action
from issuer.services import Services


class InsightQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Over which span.

    Attributes:
        since_seconds: the last so many seconds; a week unless given.
    """

    since_seconds: Annotated[int, msgspec.Meta(ge=1, le=315_360_000)] = 604_800


class InsightRoutes:
    """`/insight`."""

    def __init__(self, services: Services, gate: OperatorGate) -> None:
        self._insight = services.insight
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [web.get("/v1/admin/insight", self.overview)]

    async def overview(self, request: web.Request) -> web.Response:
        """Say how long authority took to end, and where it lingers: figures of all accounts together."""
        await self._gate.admit(request, Action.OVERSEE)
        query = read_query(request, InsightQuery)
        return answer(await self._insight.overview(query.since_seconds))
