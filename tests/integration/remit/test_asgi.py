"""The ASGI middleware: Starlette under a real server with a real verifier, and the protocol's corners by hand."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from threading import Thread

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

import remit
from remit.errors import ScopeRefusedError
from remit.integrations.asgi import Message, Receive, RemitMiddleware, Scope, Send
from tests.fakes.public_issuer import PublicIssuer


async def _who(request: Request) -> Response:
    return PlainTextResponse(str(request.scope["remit.credential"].agent))


async def _spend(request: Request) -> Response:
    request.scope["remit.credential"].authorize(location="https://api.example.com/elsewhere")
    return Response()


async def _healthy(request: Request) -> Response:
    return PlainTextResponse(str("remit.credential" in request.scope))


async def _talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(str(websocket.scope["remit.credential"].agent))
    await websocket.close()


def make_app(verifier: remit.Verifier, *, enter: bool = False) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with verifier if enter else contextlib.nullcontext():
            yield

    routes = [
        Route("/who", _who),
        Route("/spend", _spend),
        Route("/healthz", _healthy),
        Mount("/sub", routes=[Route("/who", _who)]),
        WebSocketRoute("/talk", _talk),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.add_middleware(RemitMiddleware, verifier=verifier, public_url="https://api.example.com", exempt=("/healthz",))
    return app


@pytest.fixture(scope="module")
def api(issuer: PublicIssuer) -> Iterator[str]:
    """The URL of the application under uvicorn; its lifespan enters the verifier."""
    verifier = remit.Verifier(issuer=issuer.url, audience="https://api.example.com")
    config = uvicorn.Config(make_app(verifier, enter=True), log_level="critical", ws="none", lifespan="on")
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


def test_accepts(api: str, issuer: PublicIssuer) -> None:
    """A good token reaches the application as a credential, mounted applications too."""
    for path in ("/who", "/sub/who"):
        answer = httpx.get(api + path, headers={"Authorization": f"Bearer {issuer.token()}"})
        assert (answer.status_code, answer.text) == (200, "acme/planner")


def test_refuses(api: str, issuer: PublicIssuer) -> None:
    """Without a token, with a bad one, and outside the scope: a problem document with its challenge."""
    for path, headers, status, code in (
        ("/who", {}, 401, "unauthenticated"),
        ("/unknown", {}, 401, "unauthenticated"),
        ("/who", {"Authorization": "Bearer a.b.c"}, 401, None),
        ("/spend", {"Authorization": f"Bearer {issuer.token()}"}, 403, "scope_refused"),
    ):
        answer = httpx.get(api + path, headers=headers)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert code in (None, answer.json()["code"])
        assert "www-authenticate" in answer.headers


def test_exempt(api: str) -> None:
    """An exempt path needs no credential and gets none."""
    assert httpx.get(f"{api}/healthz").text == "False"


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Bearer a"), (b"Authorization", b"Bearer a")],
        [(b"authorization", b"Bearer \xff")],
        [(b"authorization", b"Bearer " + b"a" * 30000)],
        [(b"authorization", b"DPoP a"), (b"dpop", b"a"), (b"dpop", b"b")],
    ],
)
def test_bad_headers(api: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Doubled, odd and huge headers are refused, and the server stays up."""
    for _ in range(2):
        assert httpx.get(f"{api}/who", headers=httpx.Headers(headers)).status_code in (400, 401)


async def _handshake(app: Starlette, headers: list[tuple[bytes, bytes]]) -> list[Message]:
    """What the application sends to a WebSocket that connects and goes."""
    scope = {"type": "websocket", "path": "/talk", "headers": headers, "query_string": b"", "subprotocols": []}
    incoming = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(incoming)

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def test_websocket(verifier: remit.Verifier, issuer: PublicIssuer) -> None:
    """A WebSocket opens with a good token only; otherwise it is closed before it is accepted."""
    app = make_app(verifier)
    accepted, said, *_ = await _handshake(app, [(b"authorization", b"Bearer " + issuer.token().encode())])
    assert (accepted["type"], said["text"]) == ("websocket.accept", "acme/planner")
    assert await _handshake(app, []) == [{"type": "websocket.close", "code": 1008}]


async def test_a_late_refusal_is_not_answered_twice(verifier: remit.Verifier, issuer: PublicIssuer) -> None:
    """Once an answer has begun, a refusal in the application breaks it off and is not sent into its middle."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ScopeRefusedError("too late")

    headers = [(b"authorization", b"Bearer " + issuer.token().encode())]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    with pytest.raises(ScopeRefusedError):
        await RemitMiddleware(late, verifier)(scope, send, send)
    assert [message["type"] for message in sent] == ["http.response.start"]


def test_an_unknown_connection_is_refused(verifier: remit.Verifier) -> None:
    """A kind of connection that this middleware does not know never reaches the application."""

    async def never(*_: object) -> None:
        raise AssertionError

    with pytest.raises(RuntimeError, match="webtransport"):
        asyncio.run(RemitMiddleware(never, verifier)({"type": "webtransport"}, never, never))
