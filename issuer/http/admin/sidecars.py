"""Removing sidecars: evicted ones may join anew, banned ones may not."""

from aiohttp import web

from issuer.authority.eviction import Eviction, Removal
from issuer.http.answers import answer
from issuer.http.operators import OperatorGate
from issuer.registry.roles import Action
from issuer.services import Services

_PATH = "/v1/admin/sidecars/{name}"


class SidecarRoutes:
    """`/sidecars/{name}`."""

    def __init__(self, services: Services, gate: OperatorGate) -> None:
        self._authority = services.authority
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [web.post(f"{_PATH}/evict", self.evict), web.post(f"{_PATH}/ban", self.ban)]

    async def evict(self, request: web.Request) -> web.Response:
        """End a sidecar's sessions and forget its key; its name joins anew."""
        return await self._remove(request, Removal.EVICT)

    async def ban(self, request: web.Request) -> web.Response:
        """Revoke a sidecar: neither its name nor its key ever joins again."""
        return await self._remove(request, Removal.BAN)

    async def _remove(self, request: web.Request, removal: Removal) -> web.Response:
        change, body = await self._gate.change(request, Action.REGISTER, Eviction)
        return answer(await self._authority.remove_sidecar(change, removal, request.match_info["name"], body))
