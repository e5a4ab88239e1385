"""Resolving what an operator has in hand, and suspending, resuming or revoking it."""

from aiohttp import web

from issuer.authority.model import Question, Stop, Verb
from issuer.http.answers import answer
from issuer.http.operators import OperatorGate
from issuer.http.requests import decode, read_body
from issuer.registry.roles import Action
from issuer.services import Services


class AuthorityRoutes:
    """`/resolve`, `/suspend`, `/resume`, `/revoke`."""

    def __init__(self, services: Services, gate: OperatorGate) -> None:
        self._authority = services.authority
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.post("/v1/admin/resolve", self.resolve),
            web.post("/v1/admin/suspend", self.suspend),
            web.post("/v1/admin/resume", self.resume),
            web.post("/v1/admin/revoke", self.revoke),
        ]

    async def resolve(self, request: web.Request) -> web.Response:
        """Say what words mean; a POST because a token must not get into a URL."""
        operator = await self._gate.admit(request, Action.READ)
        question = decode(await read_body(request), Question)
        return answer(await self._authority.resolve(operator, question))

    async def suspend(self, request: web.Request) -> web.Response:
        """Suspend what the words mean."""
        return await self._stop(request, Verb.SUSPEND)

    async def resume(self, request: web.Request) -> web.Response:
        """Resume what the words mean."""
        return await self._stop(request, Verb.RESUME)

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke what the words mean, for good."""
        return await self._stop(request, Verb.REVOKE)

    async def _stop(self, request: web.Request, verb: Verb) -> web.Response:
        change, body = await self._gate.change(request, Action.STOP, Stop)
        return answer(await self._authority.stop(change, verb, body))
