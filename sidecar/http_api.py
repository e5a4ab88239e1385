"""Remit's own HTTP API on `remit.sock`: what the Workload API cannot say (task, scope, reason), launches, metrics.

    POST /v1/token                  a token for an audience, task, scope and reason
    POST /v1/delegate               the same for a sub-agent of the caller's agent
    POST /v1/tasks/complete         a task of the caller's agent is over
    …    /v1/key, /v1/proof          keys of agents: `sidecar.http_keys`
    GET  /v1/identity               which agents the caller is entitled to be
    POST /v1/launches               a launcher registers its child
    POST /v1/launches/{id}/started  ... which has executed its program
    GET  /v1/launches/{id}/task     ... and how it stands with the task that it was launched for
    GET  /metrics                   for root and for the sidecar's own user

The caller is whoever the kernel says, on every request. JSON in and out, `application/problem+json` when refused.
"""

import contextlib
import os
from asyncio import BaseTransport
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import msgspec
import structlog
from aiohttp import web

from attestors.handle import ProcessHandle
from remit.errors import InvalidInputError, RefusedError, RemitError, UnavailableError
from sidecar import http_keys
from sidecar.agent_keys import AgentKeys
from sidecar.completion import Completion, whose_task
from sidecar.http_bodies import (
    COMPLETION_REQUEST,
    DELEGATION_REQUEST,
    TOKEN_REQUEST,
    TokenReply,
    Wanted,
    decode,
    read_body,
    seconds_of,
)
from sidecar.identity import Identities
from sidecar.issue import IssuedToken, TokenRequest
from sidecar.launches import Launches, LaunchRequest
from sidecar.metrics import CONTENT_TYPE, Metrics
from sidecar.peer import Caller, Callers
from sidecar.problems import respond
from sidecar.tasks import Tasks
from sidecar.tokens import Tokens

_log = structlog.get_logger(__name__)

_MAX_BODY_BYTES = 1 << 20
_JSON = "application/json"
_JSON_HEADERS = {"Content-Type": _JSON}
_LAUNCH_REQUEST = msgspec.json.Decoder(LaunchRequest)

Handler = Callable[[web.Request], Awaitable[web.Response]]
W = TypeVar("W", bound=Wanted)


def encode_token(request: TokenRequest, token: IssuedToken) -> bytes:
    """The answer to `POST /v1/token`."""
    reply = TokenReply(
        token.token,
        token.issued_at,
        token.expires_at,
        token.agent,
        token.spiffe_id,
        request.audience,
        token.task or request.task,
        token.token_type,
    )
    return msgspec.json.encode(reply)


class HTTPAPI:
    """The routes."""

    def __init__(
        self,
        callers: Callers,
        *,
        tokens: Tokens,
        identities: Identities,
        launches: Launches,
        tasks: Tasks,
        completion: Completion,
        keys: AgentKeys,
        metrics: Metrics,
    ) -> None:
        self._callers = callers
        self._tokens = tokens
        self._identities = identities
        self._launches = launches
        self._tasks = tasks
        self._completion = completion
        self._keys = keys
        self._metrics = metrics

    def application(self) -> web.Application:
        """The aiohttp application."""
        application = web.Application(client_max_size=_MAX_BODY_BYTES)
        routes: tuple[tuple[str, str, Handler], ...] = (
            ("POST", "/v1/token", partial(self._token, TOKEN_REQUEST)),
            ("POST", "/v1/delegate", partial(self._token, DELEGATION_REQUEST)),
            ("POST", "/v1/tasks/complete", self._complete_task),
            ("GET", "/v1/identity", self._identity),
            ("POST", "/v1/launches", self._launch),
            ("POST", "/v1/launches/{id}/started", self._started),
            ("GET", "/v1/launches/{id}/task", self._task_of_launch),
            ("GET", "/metrics", self._show_metrics),
            *((method, path, partial(self._of_key, work)) for method, path, work in http_keys.ROUTES),
        )
        for method, path, handler in routes:
            application.router.add_route(method, path, self._edge(path, handler))
        resources = tuple(application.router.resources())
        application.router.add_route("*", "/{path:.*}", self._edge("other", partial(_refuse_route, resources)))
        return application

    async def _token(self, decoder: msgspec.json.Decoder[W], request: web.Request) -> web.Response:
        ask = decode(decoder, await read_body(request)).as_request()
        caller = await self._caller(request)
        answer = self._tokens.cached(caller.evidence, ask)
        if answer is None:
            answer = await self._keys.fetch(caller.evidence, ask)
            caller.recheck()
        self._keys.give(caller.evidence, answer)
        return web.Response(body=answer.replies.http, headers=_JSON_HEADERS)

    async def _of_key(self, work: http_keys.KeyOperation, request: web.Request) -> web.Response:
        body = await read_body(request) if request.method == "POST" else b""
        caller = await self._caller(request)
        answer = await work(self._keys, caller.evidence, body)
        caller.recheck()
        return web.Response(body=msgspec.json.encode(answer), headers=_JSON_HEADERS)

    async def _complete_task(self, request: web.Request) -> web.Response:
        wanted = decode(COMPLETION_REQUEST, await read_body(request))
        caller = await self._caller(request)
        identity = await self._identities.of(caller.evidence)
        agents = whose_task(identity.agents, wanted.agent)
        caller.recheck()
        grants = sum([await self._completion.complete(agent, wanted.task) for agent in agents])
        return web.Response(body=msgspec.json.encode({"grants": grants}), headers=_JSON_HEADERS)

    async def _identity(self, request: web.Request) -> web.Response:
        caller = await self._caller(request)
        identity = await self._identities.of(caller.evidence)
        caller.recheck()
        return web.Response(body=msgspec.json.encode(identity), content_type=_JSON)

    async def _launch(self, request: web.Request) -> web.Response:
        declared = decode(_LAUNCH_REQUEST, await read_body(request))
        with self._held(request) as launcher:
            launch = await self._launches.register(launcher, declared)
        return web.Response(status=201, body=msgspec.json.encode({"id": launch}), content_type=_JSON)

    async def _started(self, request: web.Request) -> web.Response:
        await read_body(request)
        with self._held(request) as launcher:
            await self._launches.started(launcher, request.match_info["id"])
        return web.Response(body=b"{}", content_type=_JSON)

    async def _task_of_launch(self, request: web.Request) -> web.Response:
        wait_seconds = seconds_of(request.query.get("wait_seconds", "0"))
        with self._held(request) as launcher:
            state = await self._tasks.state_of(request.match_info["id"], launcher.uid, wait_seconds)
        return web.Response(body=msgspec.json.encode(state), headers=_JSON_HEADERS)

    async def _show_metrics(self, request: web.Request) -> web.Response:
        with self._held(request) as reader:
            if reader.uid not in (0, os.geteuid()):
                raise RefusedError("metrics are for root and the sidecar's own user", code="forbidden")
        return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    async def _caller(self, request: web.Request) -> Caller:
        return await self._callers.of(_transport(request))

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


def _transport(request: web.Request) -> BaseTransport:
    if request.transport is None:
        raise UnavailableError("the caller has hung up")
    return request.transport


def _as_remit(error: web.HTTPException) -> RemitError:
    code = "body_too_large" if error.status == 413 else "malformed_request"
    return InvalidInputError(error.reason.lower(), code=code)
