"""An API provider on Starlette (FastAPI is the same): sells `POST /v1/messages` to agents.

REMIT_ISSUER=https://issuer.example.org python provider_asgi.py [PORT]
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import remit
from remit.integrations.asgi import RemitMiddleware

API = "https://api.example.com"  # the name that agents ask tokens for: yours, wherever this process listens
PRICES = {"model-a": remit.Amount.parse("0.05 USD"), "model-b": remit.Amount.parse("0.40 USD")}

verifier = remit.Verifier(issuer=os.environ["REMIT_ISSUER"], audience=API)


async def messages(request: Request) -> JSONResponse:
    model = (await request.json())["model"]
    credential: remit.Credential = request.scope["remit.credential"]
    call = credential.authorize(location=f"{API}/v1/messages", action="invoke", model=model, amount=PRICES[model])
    return JSONResponse({"agent": str(call.agent), "account": call.account, "task": call.task, "model": model})


async def healthz(_: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with verifier:  # loads keys and status lists, and keeps them fresh while the application runs
        yield


app = Starlette(
    routes=[Route("/v1/messages", messages, methods=["POST"]), Route("/healthz", healthz)],
    middleware=[Middleware(RemitMiddleware, verifier=verifier, public_url=API, exempt=("/healthz",))],
    lifespan=lifespan,
)

if __name__ == "__main__":
    uvicorn.run(app, host="localhost", port=int((sys.argv[1:] or ["8080"])[0]), log_level="warning")
