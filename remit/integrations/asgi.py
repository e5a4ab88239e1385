"""ASGI: a middleware for Starlette, FastAPI, Quart, Django and bare applications; no framework is imported.

    verifier = remit.Verifier(issuer="https://issuer.example.org", audience="https://api.example.com")

    @asynccontextmanager
    async def lifespan(app):
        async with verifier:          # the verifier accepts nothing before it is entered
            yield

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(RemitMiddleware, verifier=verifier, public_url="https://api.example.com", exempt=("/healthz",))

The application finds the credential at `scope["remit.credential"]` (Starlette: `request.scope[...]`). A `ScopeRefusedError` that it
lets out before it has answered, from `credential.authorize`, becomes a 403. Proofs are compared with `public_url`, never with the
request's `Host`. A WebSocket without an accepted credential is closed before it is accepted.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import quote

from remit.errors import RefusedError, ScopeRefusedError
from remit.integrations._challenge import ENVIRON_KEY, Guard, Refusal, TokenVerifier
from remit.nonces import ProofNonces

Scope = MutableMapping[str, Any]  # ASGI's own types: a connection scope and messages of mixed values
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY_VIOLATION = 1008  # RFC 6455 section 7.4.1


class RemitMiddleware:
    """Lets only verified requests and WebSocket handshakes through to `app`."""

    def __init__(
        self,
        app: Application,
        verifier: TokenVerifier,
        *,
        public_url: str | None = None,
        exempt: Iterable[str] = (),
        nonces: ProofNonces | None = None,
    ) -> None:
        """Wrap `app`.

        Args:
            app: the application.
            verifier: accepts or refuses tokens; the application's lifespan enters and leaves it.
            public_url: the URL under which clients reach the application; without it, tokens bound to a key are refused.
            exempt: the exact paths that need no credential.
            nonces: gives the nonces that proofs must carry (RFC 9449 section 9); one object, or one key, for all who serve this URL.

        Raises:
            ConfigurationError: `public_url` or `exempt` is not what it should be.
        """
        self._app = app
        self._guard = Guard(verifier, public_url=public_url, exempt=exempt, nonces=nonces)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection (ASGI 3.0)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] not in ("http", "websocket"):
            raise RuntimeError(f"a connection of type {scope['type']!r} cannot be verified")
        else:
            await self._guarded(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._guard.exempts(scope["path"]):
            try:
                scope[ENVIRON_KEY] = self._guard.admit(
                    scope.get("method", "GET"),
                    _raw_path(scope),
                    _values(scope, b"authorization"),
                    _values(scope, b"dpop"),
                )
            except RefusedError as error:
                await _refuse(self._guard.refusal(error), scope, receive, send)
                return
        outgoing = _Watched(send)
        try:
            await self._app(scope, receive, outgoing)
        except ScopeRefusedError as error:
            if outgoing.started or scope["type"] != "http":
                raise
            await _refuse(self._guard.refusal(error), scope, receive, send)


class _Watched:
    """A `send` that knows whether the application has begun to answer."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        self.started = True
        await self._send(message)


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()  # the handshake must be read before it may be refused
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        return
    headers = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in refusal.headers]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": refusal.body})


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for each, value in scope["headers"] if each.lower() == name]


def _raw_path(scope: Scope) -> str:
    raw: bytes | None = scope.get("raw_path")
    return quote(scope["path"]) if raw is None else raw.decode("latin-1").partition("?")[0]
