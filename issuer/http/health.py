"""`/healthz/live` and `/healthz/ready` for whoever runs the issuer, `/metrics` (Prometheus) for operators only."""

from collections.abc import Iterable

import prometheus_client
from aiohttp import web

from issuer.http.answers import answer
from issuer.http.operators import OperatorGate
from issuer.keys import Purpose
from issuer.registry.roles import Action
from issuer.services import Services


def routes(services: Services, gate: OperatorGate) -> Iterable[web.RouteDef]:
    """The routes of health and metrics."""

    async def live(_request: web.Request) -> web.Response:
        return answer({"status": "live"})

    async def ready(_request: web.Request) -> web.Response:
        """Ready is who could issue: the database answers from its pages, and a key is active."""
        await services.statuses.head()
        services.keys.signer(Purpose.TOKEN, now=await services.database.now())
        return answer({"status": "ready"})

    async def metrics(request: web.Request) -> web.Response:
        await gate.admit(request, Action.OVERSEE)
        return web.Response(
            body=prometheus_client.generate_latest(),
            headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST, "Cache-Control": "no-store"},
        )

    return [web.get("/healthz/live", live), web.get("/healthz/ready", ready), web.get("/metrics", metrics)]
