"""Registration entries and grants."""

from aiohttp import web

from issuer.http.answers import answer
from issuer.http.operators import OperatorGate
from issuer.http.pages import PageQuery, answer_page
from issuer.http.requests import read_query
from issuer.registry.requests import NewEntry, NewGrant
from issuer.registry.roles import Action
from issuer.services import Services
from remit.ids import AgentName


class EntryQuery(PageQuery, frozen=True, forbid_unknown_fields=True):
    """Which entries to list: those of `agent` and of `sidecar`, if given."""

    agent: str | None = None
    sidecar: str | None = None


class GrantQuery(PageQuery, frozen=True, forbid_unknown_fields=True):
    """Which grants to list: those of `agent` and for `task`, if given."""

    agent: str | None = None
    task: str | None = None


class EntryRoutes:
    """`/entries`, `/grants`."""

    def __init__(self, services: Services, gate: OperatorGate) -> None:
        self._registry = services.registry
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.post("/v1/admin/entries", self.create_entry),
            web.get("/v1/admin/entries", self.list_entries),
            web.get("/v1/admin/entries/{id}", self.show_entry),
            web.delete("/v1/admin/entries/{id}", self.delete_entry),
            web.post("/v1/admin/grants", self.create_grant),
            web.get("/v1/admin/grants", self.list_grants),
            web.get("/v1/admin/grants/{id}", self.show_grant),
        ]

    async def create_entry(self, request: web.Request) -> web.Response:
        """Register an entry."""
        change, body = await self._gate.change(request, Action.REGISTER, NewEntry)
        return answer(await self._registry.create_entry(change, body), status=201)

    async def list_entries(self, request: web.Request) -> web.Response:
        """List entries, oldest first."""
        viewer = await self._gate.admit(request, Action.READ)
        query = read_query(request, EntryQuery)
        entries = await self._registry.entries(viewer, query.page, agent=_agent(query.agent), sidecar=query.sidecar)
        return answer_page(entries, query, lambda entry: entry.id)

    async def show_entry(self, request: web.Request) -> web.Response:
        """Show one entry."""
        viewer = await self._gate.admit(request, Action.READ)
        return answer(await self._registry.entry(viewer, request.match_info["id"]))

    async def delete_entry(self, request: web.Request) -> web.Response:
        """Delete one entry."""
        change = await self._gate.deletion(request, Action.REGISTER)
        return answer(await self._registry.delete_entry(change, request.match_info["id"]))

    async def create_grant(self, request: web.Request) -> web.Response:
        """Register a grant."""
        change, body = await self._gate.change(request, Action.REGISTER, NewGrant)
        return answer(await self._registry.create_grant(change, body), status=201)

    async def list_grants(self, request: web.Request) -> web.Response:
        """List grants, oldest first."""
        viewer = await self._gate.admit(request, Action.READ)
        query = read_query(request, GrantQuery)
        grants = await self._registry.grants(viewer, query.page, agent=_agent(query.agent), task=query.task)
        return answer_page(grants, query, lambda grant: grant.id)

    async def show_grant(self, request: web.Request) -> web.Response:
        """Show one grant."""
        viewer = await self._gate.admit(request, Action.READ)
        return answer(await self._registry.grant(viewer, request.match_info["id"]))


def _agent(text: str | None) -> AgentName | None:
    return None if text is None else AgentName.parse(text)
