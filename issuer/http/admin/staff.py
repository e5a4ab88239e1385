"""Who and what works for the issuer: operators, and sidecars with their join tokens."""

import msgspec
from aiohttp import web

from issuer.http.answers import answer
from issuer.http.operators import OperatorGate
from issuer.http.pages import PageQuery, answer_page
from issuer.http.requests import read_query
from issuer.registry.requests import NewJoinToken, NewOperator
from issuer.registry.roles import Action
from issuer.services import Services


class WhoAmI(msgspec.Struct, frozen=True):
    """Who the caller is, and to whom they are talking.

    Attributes:
        operator: the caller's name.
        role: what they may do.
        account: the only account that they see, or None.
        trust_domain: the issuer's trust domain.
        issuer: its URL.
    """

    operator: str
    role: str
    account: str | None
    trust_domain: str
    issuer: str


class StaffRoutes:
    """`/whoami`, `/operators`, `/sidecars`, `/join-tokens`."""

    def __init__(self, services: Services, gate: OperatorGate) -> None:
        self._services = services
        self._registry = services.registry
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/v1/admin/whoami", self.whoami),
            web.post("/v1/admin/operators", self.create_operator),
            web.get("/v1/admin/operators", self.list_operators),
            web.post("/v1/admin/join-tokens", self.create_join_token),
            web.get("/v1/admin/sidecars", self.list_sidecars),
        ]

    async def whoami(self, request: web.Request) -> web.Response:
        """Say who the caller is."""
        caller = await self._gate.admit(request, Action.READ)
        domain, url = self._services.config.domain, self._services.config.url
        return answer(WhoAmI(caller.name, caller.role.value, caller.account, str(domain), url))

    async def create_operator(self, request: web.Request) -> web.Response:
        """Register an operator; the credential is shown this once."""
        change, body = await self._gate.change(request, Action.ADMINISTER, NewOperator)
        return answer(await self._registry.create_operator(change, body), status=201)

    async def list_operators(self, request: web.Request) -> web.Response:
        """List operators by name."""
        await self._gate.admit(request, Action.OVERSEE)
        query = read_query(request, PageQuery)
        return answer_page(await self._registry.operators(query.page), query, lambda operator: operator.name)

    async def create_join_token(self, request: web.Request) -> web.Response:
        """Make a join token; it is shown this once."""
        change, body = await self._gate.change(request, Action.REGISTER, NewJoinToken)
        return answer(await self._registry.create_join_token(change, body), status=201)

    async def list_sidecars(self, request: web.Request) -> web.Response:
        """List sidecars by name."""
        await self._gate.admit(request, Action.OVERSEE)
        query = read_query(request, PageQuery)
        return answer_page(await self._registry.sidecars(query.page), query, lambda sidecar: sidecar.name)
