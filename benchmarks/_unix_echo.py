"""The bare servers that the sidecar is compared with: `python -m benchmarks._unix_echo grpc|http PATH BYTES`."""

import asyncio
import sys

import uvloop
from aiohttp import web
from google.protobuf.message import Message
from grpclib.const import Cardinality, Handler
from grpclib.server import Server, Stream

from sidecar.workload_api import messages


class Echo:
    """FetchJWTSVID with protobuf's own codec and a reply of the same size."""

    def __init__(self, size: int) -> None:
        token = messages.IssuedToken(
            "acme/planner", "spiffe://example.org/account/acme/agent/planner", "x" * size, 0, 1
        )
        self._response = messages.message_class("JWTSVIDResponse")
        self._reply = self._response.FromString(messages.encode_jwt_svids((token,)))

    def __mapping__(self) -> dict[str, Handler]:
        """Grpclib's port."""
        request = messages.message_class("JWTSVIDRequest")
        handler = Handler(self._fetch, Cardinality.UNARY_UNARY, request, self._response)
        return {"/SpiffeWorkloadAPI/FetchJWTSVID": handler}

    async def _fetch(self, stream: Stream[Message, Message]) -> None:
        await stream.recv_message()
        await stream.send_message(self._reply)


async def _grpc(path: str, size: int) -> None:
    server = Server([Echo(size)])
    await server.start(path=path)
    print("ready", flush=True)
    await server.wait_closed()


async def _http(path: str, size: int) -> None:
    body = b"x" * size

    async def echo(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body, content_type="application/json")

    application = web.Application()
    application.router.add_post("/v1/token", echo)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, path).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run({"grpc": _grpc, "http": _http}[sys.argv[1]](sys.argv[2], int(sys.argv[3])))
