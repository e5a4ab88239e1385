"""Remit's own HTTP API on `remit.sock`: what the Workload API cannot say (task, scope, reason), launches, metrics.

    POST /v1/token                  a token for an audience, task, scope and reason
    GET  /v1/identity               which agents the caller is entitled to be
    POST /v1/launches               a launcher registers its child
    POST /v1/launches/{id}/started  ... which has executed its program
    GET  /metrics                   for root and for the sidecar's own user

The caller is whoever the kernel says, on every request. JSON in and out, `application/problem+json` when refused.
"""

import asyncio
import contextlib
import os
from asyncio import BaseTransport
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import msgspec
import structlog
from aiohttp import web
from msgspec import Struct

from attestors.handle import ProcessHandle
from remit.errors import InvalidInputError, RefusedError, RemitError, UnavailableError
from remit.scope import SpendScope
from sidecar.identity import Identities
from sidecar.issue import IssuedToken, TokenRequest
from sidecar.launches import Launches, LaunchRequest
from sidecar.metrics import CONTENT_TYPE, Metrics
from sidecar.peer import Caller, Callers
from sidecar.problems import respond
from sidecar.tokens import Tokens

_log = structlog.get_logger(__name__)

_MAX_BODY_BYTES = 1 << 20
_BODY_SECONDS = 30
_JSON = "application/json"
_JSON_HEADERS = {"Content-Type": _JSON}

Handler = Callable[[web.Request], Awaitable[web.Response]]
T = TypeVar("T")


class _TokenRequest(Struct, frozen=True, forbid_unknown_fields=True):
    audience: str
    task: str | None = None
    authorization_details: tuple[msgspec.Raw, ...] | None = None
    reason: str | None = None
    agent: str | None = None


class _TokenReply(Struct, frozen=True, omit_defaults=True):
    token: str
    issued_at: int
    expires_at: int
    agent: str
    spiffe_id: str
    audience: str
    task: str | None = None


_TOKEN_REQUEST = msgspec.json.Decoder(_TokenRequest)
_LAUNCH_REQUEST = msgspec.json.Decoder(LaunchRequest)


def encode_token(request: TokenRequest, token: IssuedToken) -> bytes:
    """The answer to `POST /v1/token`."""
    reply = _TokenReply(
        token.token,
        token.issued_at,
        token.expires_at,
        token.agent,
        token.spiffe_id,
        request.audience,
        token.task or request.task,
    )
    return msgspec.json.encode(reply)


class HTTPAPI:
    """The routes."""

    def __init__(
        self, callers: Callers, tokens: Tokens, identities: Identities, launches: Launches, metrics: Metrics
    ) -> None:
        self._callers = callers
        self._tokens = tokens
        self._identities = identities
        self._launches = launches
        self._metrics = metrics

    def application(self) -> web.Application:
        """The aiohttp application."""
        application = web.Application(client_max_size=_MAX_BODY_BYTES)
        routes: tuple[tuple[str, str, Handler], ...] = (
            ("POST", "/v1/token", self._token),
            ("GET", "/v1/identity", self._identity),
            ("POST", "/v1/launches", self._launch),
            ("POST", "/v1/launches/{id}/started", self._started),
            ("GET", "/metrics", self._show_metrics),
        )
        for method, path, handler in routes:
            application.router.add_route(method, path, self._edge(path, handler))
        resources = tuple(application.router.resources())
        application.router.add_route("*", "/{path:.*}", self._edge("other", partial(_refuse_route, resources)))
        return application

    async def _token(self, request: web.Request) -> web.Response:
        wanted = _decode(_TOKEN_REQUEST, await _body(request))
        caller = await self._caller(request)
        ask = TokenRequest(wanted.audience, wanted.agent, wanted.task, _scope_of(wanted), wanted.reason)
        answer = self._tokens.cached(caller.evidence, ask)
        if answer is None:
            answer = await self._tokens.fetch(caller.evidence, ask)
            caller.recheck()
        return web.Response(body=answer.replies.http, headers=_JSON_HEADERS)

    async def _identity(self, request: web.Request) -> web.Response:
        caller = await self._caller(request)
        identity = await self._identities.of(caller.evidence)
        caller.recheck()
        return web.Response(body=msgspec.json.encode(identity), content_type=_JSON)

    async def _launch(self, request: web.Request) -> web.Response:
        declared = _decode(_LAUNCH_REQUEST, await _body(request))
        with self._held(request) as launcher:
            launch = await self._launches.register(launcher, declared)
        return web.Response(status=201, body=msgspec.json.encode({"id": launch}), content_type=_JSON)

    async def _started(self, request: web.Request) -> web.Response:
        await _body(request)
        with self._held(request) as launcher:
            await self._launches.started(launcher, request.match_info["id"])
        return web.Response(body=b"{}", content_type=_JSON)

    async def _show_metrics(self, request: web.Request) -> web.Response:
        with self._held(request) as reader:
            if reader.uid not in (0, os.geteuid()):
                raise RefusedError("metrics are for root and the sidecar's own user", code="forbidden")
        return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    async def _caller(self, request: web.Request) -> Caller:
        transport = _transport(request)
        return self._callers.known(transport) or await self._callers.identify(transport)

    @contextlib.contextmanager
    def _held(self, request: web.Request) -> Iterator[ProcessHandle]:
        with self._callers.handle_of(_transport(request)) as handle:
            yield handle
            handle.recheck()

    def _edge(self, route: str, handler: Handler) -> Handler:
        """Every refusal as a problem document; counted by route. A middleware would cost each request more."""

        async def guarded(request: web.Request) -> web.Response:
            try:
                response = await handler(request)
            except RemitError as error:
                response = respond(error)
            except web.HTTPException as error:
                response = respond(_as_remit(error))
            except Exception:  # noqa: BLE001 - the edge, see below
                # The edge: a mistake of ours must not show its insides to the caller.
                _log.exception("request failed", route=route)
                response = respond(RemitError("the sidecar failed; its log says why", code="internal"))
            self._metrics.count(route, "ok" if response.status < 400 else str(response.status))
            return response

        return guarded


async def _refuse_route(resources: Sequence[web.AbstractResource], request: web.Request) -> web.Response:
    """What matches no route: known by another method, or not at all."""
    for resource in resources:
        _, allowed = await resource.resolve(request)
        if allowed:
            raise InvalidInputError("method not allowed", code="method_not_allowed")
    raise InvalidInputError("not found", code="not_found")


async def _body(request: web.Request) -> bytes:
    if request.headers.get("Content-Type") != _JSON and request.content_type != _JSON:
        raise InvalidInputError(f"the body must be {_JSON}", code="unsupported_media_type")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise InvalidInputError("compressed bodies are not taken", code="unsupported_media_type")
    try:
        if request.content.is_eof():  # it came with the head, as most do
            return await request.read()
        async with asyncio.timeout(_BODY_SECONDS):
            return await request.read()
    except (web.RequestPayloadError, ConnectionError) as error:
        raise InvalidInputError("the body is cut off, or not valid http", code="malformed_request") from error
    except TimeoutError as error:
        raise InvalidInputError("the body did not arrive in time", code="request_timeout") from error


def _decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"the body is refused: {error}", code="malformed_request") from error


def _scope_of(wanted: _TokenRequest) -> bytes | None:
    """`authorization_details` in one form, so that the same scope is the same cache key."""
    if wanted.authorization_details is None:
        return None
    if len(wanted.authorization_details) != 1:
        raise InvalidInputError("authorization_details must have one agent_spend element", code="malformed_request")
    return b"[" + SpendScope.parse(bytes(wanted.authorization_details[0])).encode() + b"]"


def _transport(request: web.Request) -> BaseTransport:
    if request.transport is None:
        raise UnavailableError("the caller has hung up")
    return request.transport


def _as_remit(error: web.HTTPException) -> RemitError:
    code = "body_too_large" if error.status == 413 else "malformed_request"
    return InvalidInputError(error.reason.lower(), code=code)
