"""An API provider: sells `POST /v1/messages` to agents and wants to know whose money it is.

python provider.py PORT ISSUER
"""

import sys
from collections.abc import AsyncIterator

from aiohttp import web

import remit
from remit.integrations.aiohttp import CREDENTIAL, middleware


def main() -> None:
    port, issuer = int(sys.argv[1]), sys.argv[2]
    url = f"http://localhost:{port}"
    verifier = remit.Verifier(issuer=issuer, audience=url)

    async def messages(request: web.Request) -> web.Response:
        model = (await request.json())["model"]
        call = request[CREDENTIAL].authorize(location=f"{url}/v1/messages", action="invoke", model=model)
        return web.json_response({"agent": str(call.agent), "account": call.account, "task": call.task, "model": model})

    async def running(_: web.Application) -> AsyncIterator[None]:
        async with verifier:
            yield

    app = web.Application(middlewares=[middleware(verifier)])
    app.cleanup_ctx.append(running)
    app.router.add_post("/v1/messages", messages)
    web.run_app(app, host="localhost", port=port, print=None)


if __name__ == "__main__":
    main()
