"""How far changes are enforced, and which verifiers there are."""

from typing import Annotated

import msgspec
from aiohttp import web

from issuer.enforcement.model import MAX_WAIT_SECONDS
from issuer.errors import NotFoundError
from issuer.http.answers import answer
from issuer.http.operators import OperatorGate
from issuer.http.pages import PageQuery, answer_page
from issuer.http.requests import read_query
from issuer.registry.roles import Action
from issuer.services import Services

_MAX_DIGITS = 15


class EnforcementQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long to wait until nobody is silent.

    Attributes:
        wait_seconds: 0 answers at once.
    """

    wait_seconds: Annotated[int, msgspec.Meta(ge=0, le=MAX_WAIT_SECONDS)] = 0


class EnforcementRoutes:
    """`/enforcement`, `/verifiers`."""

    def __init__(self, services: Services, gate: OperatorGate) -> None:
        self._enforcement = services.enforcement
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/v1/admin/enforcement/{seq}", self.report),
            web.get("/v1/admin/verifiers", self.verifiers),
        ]

    async def report(self, request: web.Request) -> web.Response:
        """Say which registered verifiers enforce a change, and which are silent."""
        viewer = await self._gate.admit(request, Action.READ)
        query = read_query(request, EnforcementQuery)
        seq = request.match_info["seq"]
        if not seq.isascii() or not seq.isdigit() or len(seq) > _MAX_DIGITS:
            raise NotFoundError("there is no such change")
        return answer(await self._enforcement.report(viewer, int(seq), wait_seconds=query.wait_seconds))

    async def verifiers(self, request: web.Request) -> web.Response:
        """List the registered verifiers by provider."""
        await self._gate.admit(request, Action.OVERSEE)
        query = read_query(request, PageQuery)
        return answer_page(await self._enforcement.verifiers(query.page), query, lambda verifier: verifier.cursor)
