"""A small API behind each of the middlewares, on a real server: it answers with the name of the agent that called."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import uvicorn
from aiohttp import web

from remit.integrations import aiohttp as for_aiohttp
from remit.integrations import asgi as for_asgi
from remit.integrations import wsgi as for_wsgi

KINDS = ("aiohttp", "asgi", "wsgi")


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        """Stay silent."""


@contextlib.contextmanager
def guarded_api(kind: str, verifier: Any, **options: Any) -> Iterator[str]:
    """Serve the API behind the middleware of `kind`; its `public_url` is where it is served, unless `options` say another."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    serve = {"aiohttp": _aiohttp, "asgi": _asgi, "wsgi": _wsgi}[kind]
    with listener, serve(listener, verifier, {"public_url": url} | options):
        yield url


@contextlib.contextmanager
def _aiohttp(listener: socket.socket, verifier: Any, options: dict[str, Any]) -> Iterator[None]:
    async def who(request: web.Request) -> web.Response:
        return web.Response(text=str(request[for_aiohttp.CREDENTIAL].agent))

    async def serve(started: threading.Event, stop: asyncio.Event) -> None:
        app = web.Application(middlewares=[for_aiohttp.middleware(verifier, **options)])
        app.router.add_route("*", "/{path:.*}", who)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        started.set()
        await stop.wait()
        await runner.cleanup()

    started, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(started, stop)))
    with _running(thread, lambda: loop.call_soon_threadsafe(stop.set)):
        assert started.wait(10)
        yield
    loop.close()


@contextlib.contextmanager
def _asgi(listener: socket.socket, verifier: Any, options: dict[str, Any]) -> Iterator[None]:
    async def who(scope: Any, receive: Any, send: Any) -> None:
        body = str(scope["remit.credential"].agent).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    app = for_asgi.RemitMiddleware(who, verifier, **options)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    with _running(thread, lambda: setattr(server, "should_exit", True)):
        yield


@contextlib.contextmanager
def _wsgi(listener: socket.socket, verifier: Any, options: dict[str, Any]) -> Iterator[None]:
    def who(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        body = str(environ["remit.credential"].agent).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    port = listener.getsockname()[1]
    listener.close()
    server = make_server("127.0.0.1", port, for_wsgi.RemitMiddleware(who, verifier, **options), handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    with _running(thread, server.shutdown):
        yield
    server.server_close()


@contextlib.contextmanager
def _running(thread: threading.Thread, stop: Callable[[], object]) -> Iterator[None]:
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(10)
