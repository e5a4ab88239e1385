"""Providers: the relying parties that are known by name."""

from typing import Final

import msgspec
from aiohttp import web

from issuer.http.answers import answer
from issuer.http.operators import OperatorGate
from issuer.http.pages import PageQuery, answer_page
from issuer.http.requests import read_query
from issuer.registry.requests import NewProvider
from issuer.registry.roles import Action
from issuer.services import Services

_PATH: Final = "/v1/admin/providers"


class NewCredential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing: the path names the provider."""


class ProviderRoutes:
    """`/providers`."""

    def __init__(self, services: Services, gate: OperatorGate) -> None:
        self._providers = services.providers
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.post(_PATH, self.create),
            web.get(_PATH, self.list),
            web.get(_PATH + "/{name}", self.show),
            web.post(_PATH + "/{name}/credential", self.rotate_credential),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """Register a provider; its credential is shown this once."""
        change, body = await self._gate.change(request, Action.REGISTER, NewProvider)
        return answer(await self._providers.create(change, body), status=201)

    async def list(self, request: web.Request) -> web.Response:
        """List providers by name."""
        await self._gate.admit(request, Action.OVERSEE)
        query = read_query(request, PageQuery)
        return answer_page(await self._providers.list(query.page), query, lambda provider: provider.name)

    async def show(self, request: web.Request) -> web.Response:
        """Show one provider."""
        await self._gate.admit(request, Action.OVERSEE)
        return answer(await self._providers.show(request.match_info["name"]))

    async def rotate_credential(self, request: web.Request) -> web.Response:
        """Make a new credential, which is shown this once; the old one ends."""
        change, _ = await self._gate.change(request, Action.REGISTER, NewCredential)
        return answer(await self._providers.rotate_credential(change, request.match_info["name"]), status=201)
