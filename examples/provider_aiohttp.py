"""An API provider on aiohttp: sells `POST /v1/messages` to agents.

    REMIT_ISSUER=https://issuer.example.org python provider_aiohttp.py [PORT]

One middleware verifies the token of every request; the handler asks whether this one call is within the agent's scope.
"""

import os
import sys
from collections.abc import AsyncIterator

from aiohttp import web

import remit
from remit.integrations.aiohttp import CREDENTIAL, middleware

API = "https://api.example.com"  # the name that agents ask tokens for: yours, wherever this process listens
PRICES = {"model-a": remit.Amount.parse("0.05 USD"), "model-b": remit.Amount.parse("0.40 USD")}

verifier = remit.Verifier(issuer=os.environ["REMIT_ISSUER"], audience=API)


async def messages(request: web.Request) -> web.Response:
    model = (await request.json())["model"]
    call = request[CREDENTIAL].authorize(
        location=f"{API}/v1/messages", action="invoke", model=model, amount=PRICES[model]
    )
    return web.json_response({"agent": str(call.agent), "account": call.account, "task": call.task, "model": model})


async def healthz(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def verifying(_: web.Application) -> AsyncIterator[None]:
    async with verifier:  # loads keys and status lists, and keeps them fresh while the application runs
        yield


def make_app() -> web.Application:
    app = web.Application(middlewares=[middleware(verifier, public_url=API, exempt=("/healthz",))])
    app.cleanup_ctx.append(verifying)
    app.router.add_post("/v1/messages", messages)
    app.router.add_get("/healthz", healthz)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="localhost", port=int((sys.argv[1:] or ["8080"])[0]))
