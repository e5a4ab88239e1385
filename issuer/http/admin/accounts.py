"""Accounts, agents, and the import of many records at once."""

from aiohttp import web

from issuer.http.answers import answer
from issuer.http.operators import OperatorGate
from issuer.http.pages import PageQuery, answer_page
from issuer.http.requests import read_query
from issuer.registry.bulk import Import
from issuer.registry.model import Agent
from issuer.registry.requests import NewAccount, NewAgent
from issuer.registry.roles import Action
from issuer.services import Services
from remit.errors import InvalidInputError
from remit.ids import AgentName


class AgentQuery(PageQuery, frozen=True, forbid_unknown_fields=True):
    """Which agents to list: those of `account`, if given."""

    account: str | None = None


class DescribedAgent(Agent, frozen=True, kw_only=True):
    """An agent with the names that others know it by.

    Attributes:
        spiffe_id: its SPIFFE ID.
        did: its DID, or None where the issuer's URL has no host name that a DID can carry.
    """

    spiffe_id: str
    did: str | None


class AccountRoutes:
    """`/accounts`, `/agents`, `/import`."""

    def __init__(self, services: Services, gate: OperatorGate) -> None:
        self._services = services
        self._registry = services.registry
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.post("/v1/admin/accounts", self.create_account),
            web.get("/v1/admin/accounts", self.list_accounts),
            web.get("/v1/admin/accounts/{name}", self.show_account),
            web.post("/v1/admin/agents", self.create_agent),
            web.get("/v1/admin/agents", self.list_agents),
            web.get("/v1/admin/agents/{account}/{path:.+}", self.show_agent),
            web.post("/v1/admin/import", self.import_records),
        ]

    async def create_account(self, request: web.Request) -> web.Response:
        """Register an account."""
        change, body = await self._gate.change(request, Action.REGISTER, NewAccount)
        return answer(await self._registry.create_account(change, body), status=201)

    async def list_accounts(self, request: web.Request) -> web.Response:
        """List accounts by name."""
        viewer = await self._gate.admit(request, Action.READ)
        query = read_query(request, PageQuery)
        return answer_page(await self._registry.accounts(viewer, query.page), query, lambda account: account.name)

    async def show_account(self, request: web.Request) -> web.Response:
        """Show one account."""
        viewer = await self._gate.admit(request, Action.READ)
        return answer(await self._registry.account(viewer, request.match_info["name"]))

    async def create_agent(self, request: web.Request) -> web.Response:
        """Register an agent."""
        change, body = await self._gate.change(request, Action.REGISTER, NewAgent)
        return answer(self._described(await self._registry.create_agent(change, body)), status=201)

    async def list_agents(self, request: web.Request) -> web.Response:
        """List agents, grouped by account."""
        viewer = await self._gate.admit(request, Action.READ)
        query = read_query(request, AgentQuery)
        agents = await self._registry.agents(viewer, query.page, query.account)
        return answer_page([self._described(agent) for agent in agents], query, lambda agent: agent.agent)

    async def show_agent(self, request: web.Request) -> web.Response:
        """Show one agent."""
        viewer = await self._gate.admit(request, Action.READ)
        name = AgentName(request.match_info["account"], request.match_info["path"])
        return answer(self._described(await self._registry.agent(viewer, name)))

    async def import_records(self, request: web.Request) -> web.Response:
        """Register up to a thousand records, all or none."""
        change, body = await self._gate.change(request, Action.REGISTER, Import, bulk=True)
        return answer(await self._registry.import_records(change, body), status=201)

    def _described(self, agent: Agent) -> DescribedAgent:
        name = AgentName.parse(agent.agent)
        return DescribedAgent(
            agent=agent.agent,
            account=agent.account,
            owner=agent.owner,
            description=agent.description,
            parent_asserted=agent.parent_asserted,
            state=agent.state,
            created_at=agent.created_at,
            spiffe_id=str(name.spiffe_id(self._services.config.domain)),
            did=self._did(name),
        )

    def _did(self, name: AgentName) -> str | None:
        try:
            return str(name.did(self._services.config.host))
        except InvalidInputError:  # an IP address
            return None
