"""`/status/verifiers`: verifiers of providers register, say which changes they enforce, and leave."""

from aiohttp import web

from issuer.enforcement.model import Acknowledgement, Registration
from issuer.http.answers import answer
from issuer.http.providers import ProviderGate
from issuer.http.requests import decode, read_body
from issuer.services import Services


class VerifierRoutes:
    """The routes of verifiers; a provider's credential opens them."""

    def __init__(self, services: Services, gate: ProviderGate) -> None:
        self._enforcement = services.enforcement
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.post("/status/verifiers", self.register),
            web.post("/status/verifiers/{instance}/acks", self.acknowledge),
            web.delete("/status/verifiers/{instance}", self.leave),
        ]

    async def register(self, request: web.Request) -> web.Response:
        """Register a verifier, or one again; durable before the answer."""
        provider = await self._gate.admit(request)
        body = decode(await read_body(request), Registration)
        return answer(await self._enforcement.register(provider, body))

    async def acknowledge(self, request: web.Request) -> web.Response:
        """Take note that every thread of a verifier enforces a change."""
        provider = await self._gate.admit_again(request)
        body = decode(await read_body(request), Acknowledgement)
        await self._enforcement.acknowledge(provider, request.match_info["instance"], body.seq)
        return web.Response(status=204)

    async def leave(self, request: web.Request) -> web.Response:
        """Let a verifier go: it accepts nothing any more."""
        provider = await self._gate.admit(request)
        await self._enforcement.leave(provider, request.match_info["instance"])
        return web.Response(status=204)
