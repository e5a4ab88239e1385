"""Accounts' keys."""

from aiohttp import web

from issuer.http.answers import answer
from issuer.http.operators import OperatorGate
from issuer.http.pages import Listed
from issuer.registry.roles import Action
from issuer.services import Services
from issuer.subjectkeys.accounts import KeyRevocation, NewAccountKey
from remit.ids import AccountName


class AccountKeyRoutes:
    """`/accounts/{name}/keys`."""

    def __init__(self, services: Services, gate: OperatorGate) -> None:
        self._keys = services.account_keys
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.post("/v1/admin/accounts/{name}/keys", self.register),
            web.get("/v1/admin/accounts/{name}/keys", self.list_keys),
            web.post("/v1/admin/accounts/{name}/keys/{jkt}/revoke", self.revoke),
        ]

    async def register(self, request: web.Request) -> web.Response:
        """Register the key that made the proof."""
        change, body = await self._gate.change(request, Action.REGISTER, NewAccountKey)
        return answer(await self._keys.register(change, _account(request), body), status=201)

    async def list_keys(self, request: web.Request) -> web.Response:
        """List every key that the account ever had."""
        viewer = await self._gate.admit(request, Action.READ)
        return answer(Listed(list(await self._keys.keys(viewer, _account(request))), None))

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke a key, for good."""
        change, body = await self._gate.change(request, Action.REGISTER, KeyRevocation)
        return answer(await self._keys.revoke(change, _account(request), request.match_info["jkt"], body))


def _account(request: web.Request) -> AccountName:
    return AccountName.parse(request.match_info["name"])
