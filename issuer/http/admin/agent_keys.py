"""Agents' keys, as operators see them."""

from aiohttp import web

from issuer.http.answers import answer
from issuer.http.operators import OperatorGate
from issuer.http.pages import PageQuery, answer_page
from issuer.http.requests import read_query
from issuer.registry.roles import Action
from issuer.services import Services
from issuer.subjectkeys.accounts import KeyRevocation
from remit.ids import AgentName


class AgentKeyQuery(PageQuery, frozen=True, forbid_unknown_fields=True):
    """Which keys to list: those of `agent`, if given."""

    agent: str | None = None


class AgentKeyRoutes:
    """`/agent-keys`."""

    def __init__(self, services: Services, gate: OperatorGate) -> None:
        self._keys = services.subject_keys
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/v1/admin/agent-keys", self.list_keys),
            web.post("/v1/admin/agent-keys/{jkt}/revoke", self.revoke),
        ]

    async def list_keys(self, request: web.Request) -> web.Response:
        """List keys, oldest first."""
        viewer = await self._gate.admit(request, Action.READ)
        query = read_query(request, AgentKeyQuery)
        agent = None if query.agent is None else AgentName.parse(query.agent)
        return answer_page(await self._keys.keys(viewer, query.page, agent), query, lambda key: key.jkt)

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke a key, for good, with the tokens of its agent."""
        change, body = await self._gate.change(request, Action.STOP, KeyRevocation)
        return answer(await self._keys.revoke(change, request.match_info["jkt"], body.reason))
