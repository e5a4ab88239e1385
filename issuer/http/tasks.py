"""`POST /v1/tasks/complete`: a sidecar says that a task of one of its agents is over."""

import msgspec
from aiohttp import web

from issuer.authority.model import TaskDone
from issuer.http.answers import answer
from issuer.http.requests import decode, read_body
from issuer.http.sidecars import SidecarGate
from issuer.services import Services


class Ended(msgspec.Struct, frozen=True):
    """How many grants are revoked now that were not before."""

    grants: int


class TaskRoutes:
    """The route by which sidecars end tasks."""

    def __init__(self, services: Services, gate: SidecarGate) -> None:
        self._services = services
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [web.post("/v1/tasks/complete", self.complete)]

    async def complete(self, request: web.Request) -> web.Response:
        """Revoke the grants of a task and all that is below them."""
        body = await read_body(request)
        sidecar = await self._gate.admit(request, body)
        done = decode(body, TaskDone)
        return answer(Ended(await self._services.authority.complete_for(sidecar, done, self._services.clock_ms())))
