"""The composition root: every part is made here, started in order, and stopped in the opposite order.

The sockets are claimed first: a sidecar that cannot serve fails at once. They answer from then on, `Unavailable` until the
sidecar is enrolled and knows the issuer's keys. An issuer that is away delays that; it never ends a running sidecar.
"""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self

import msgspec
import structlog
from aiohttp import web

from attestors.executables import ExecutableReader
from remit.errors import ConfigurationError, RemitError, UnavailableError
from sidecar.admission import Admission
from sidecar.agent_keys import PATH, AgentKeys, KeyIssuer
from sidecar.batching import Batcher
from sidecar.bundles import Bundles
from sidecar.cache import AnswerCache, Replies
from sidecar.completion import Completion
from sidecar.config import SidecarConfig
from sidecar.connection import connections
from sidecar.enrolment import Enrolment
from sidecar.errors import ExpelledError, IssuerRefusedError
from sidecar.exchange import Exchange
from sidecar.http_api import HTTPAPI, encode_token
from sidecar.identity import Identities
from sidecar.issue import IssuedToken, TokenRequest, says_session_ended
from sidecar.key_ring import KeyRing
from sidecar.lanes import Lanes
from sidecar.launches import Launches
from sidecar.metrics import Metrics
from sidecar.peer import Callers
from sidecar.shares import Bounds, Shares, raise_descriptor_limit
from sidecar.sockets import BACKLOG, ServedSocket
from sidecar.state import Membership, StateDir
from sidecar.streams import Streams
from sidecar.tasks import Tasks
from sidecar.tokens import Tokens
from sidecar.trust import Trust
from sidecar.upstream import IssuerClient
from sidecar.workload_api.grpclib_private import GRPCServer
from sidecar.workload_api.messages import PassThrough, encode_jwt_svids
from sidecar.workload_api.service import WorkloadAPI

_log = structlog.get_logger(__name__)

_TIDY_SECONDS = 5.0
_IDLE_SECONDS = 300.0  # for a connection to the Workload API on which nothing is asked and no stream is open
_STREAMS_END_SECONDS = 0.2


class Sidecar:
    """One sidecar, from its configuration; enter it to serve."""

    def __init__(self, config: SidecarConfig, join_token: str | None = None) -> None:
        """Raises `ConfigurationError` when the state folder cannot be used; `join_token` is needed the first time."""
        self._config = config
        self._stack = contextlib.AsyncExitStack()
        tls = config.tls()
        self._state = StateDir.open(Path(config.state_dir))
        self._stack.callback(self._state.close)
        self._client = IssuerClient(config.issuer, self._state.key(), tls=tls)
        self._enrolment = Enrolment(self._client, self._state, join_token=join_token, name=config.name)
        self._metrics = Metrics()
        self._bundles = Bundles()
        self._trust = Trust(
            config.issuer, self._bundles.update, self._changed, poll_seconds=config.status_poll_seconds, tls=tls
        )
        self._batcher = Batcher(self._issue, self._metrics.batches.observe)
        self._tokens = Tokens(
            self._batcher,
            Exchange(config.issuer, self._client.post_form),
            AnswerCache(config.cache_size),
            self._trust,
            encode=_encode,
        )
        self._identities = Identities(partial(self._post, "/v1/attest/workload"), lambda: self.membership)
        self._completion = Completion(partial(self._post, "/v1/tasks/complete"), self._tokens)
        self._tasks = Tasks(self._state.remember_tasks, self._identities.of_all, self._completion.complete)
        self._kept_tasks = self._state.tasks()
        executables = ExecutableReader()
        self._lanes = Lanes()
        bounds = Bounds.of(raise_descriptor_limit())
        self._admission = Admission(Shares(bounds.connections), self._metrics.refused.inc)
        self._launches = Launches(executables, self._lanes, Shares(bounds.launches), self._tasks.open)
        self._callers = Callers(executables, self._launches, self._lanes)
        self._keys = AgentKeys(
            KeyIssuer(config.issuer, partial(self._post, PATH), lambda: self._client.nonce),
            self._tokens,
            self._identities,
            self._lanes,
            KeyRing(self._state.agent_keys(), self._state.remember_agent_key),
        )
        self._streams = Streams(self._callers.of, self._identities)
        self._show_sizes()
        self._tidied: list[Callable[[], None]] = [self._callers.sweep, self._tokens.tidy]

    @property
    def membership(self) -> Membership | None:
        """What the sidecar is enrolled as; None before that."""
        return self._enrolment.membership

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def become_ready(self) -> Membership:
        """Enrol and load the issuer's keys, however long that takes.

        Raises:
            ConfigurationError: the sidecar cannot be enrolled: the key is unknown and there is no good join token.
        """
        while True:
            try:
                membership = await self._enrolment.enrol()
                await self._trust.load()
            except UnavailableError as error:
                _log.warning("not ready", code=error.code, detail=error.detail, hint=error.hint)
                await asyncio.sleep(max(0.1, self._client.circuit.wait_seconds))
            else:
                _log.info("ready", sidecar=membership.sidecar, sockets=self._config.socket_dir)
                return membership

    async def _start(self) -> None:
        workload = ServedSocket.claim(self._config.workload_socket)
        self._stack.callback(workload.close)
        remit = ServedSocket.claim(self._config.remit_socket)
        self._stack.callback(remit.close)
        await self._stack.enter_async_context(self._client)
        self._stack.callback(self._lanes.close)
        self._stack.callback(self._launches.close)
        self._stack.callback(self._callers.close)
        self._stack.push_async_callback(self._trust.close)
        self._stack.push_async_callback(self._batcher.close)
        self._stack.push_async_callback(self._tokens.close)
        self._stack.push_async_callback(self._tasks.close)
        self._tasks.resume(self._kept_tasks)
        await self._serve_http(remit)
        await self._serve_workload_api(workload)
        for work in (self._tidy(), self._streams.follow()):
            self._stack.callback(asyncio.create_task(work).cancel)

    async def _serve_workload_api(self, served: ServedSocket) -> None:
        service = WorkloadAPI(
            self._callers,
            tokens=self._tokens,
            bundles=self._bundles,
            streams=self._streams,
            validator=self._trust,
            metrics=self._metrics,
        )
        server = GRPCServer(service, PassThrough(), self._admission.gate)
        self._tidied.append(partial(server.end_idle, _IDLE_SECONDS))
        await server.start(sock=served.socket, backlog=BACKLOG)

        async def stop() -> None:
            # Streams end with Unavailable, never OK: clients reconnect after the one and give up after the other.
            self._bundles.close()
            await asyncio.sleep(_STREAMS_END_SECONDS)
            server.close()
            await server.wait_closed()

        self._stack.push_async_callback(stop)

    async def _serve_http(self, served: ServedSocket) -> None:
        api = HTTPAPI(
            self._callers,
            tokens=self._tokens,
            identities=self._identities,
            launches=self._launches,
            tasks=self._tasks,
            completion=self._completion,
            keys=self._keys,
            metrics=self._metrics,
        )
        runner = web.AppRunner(api.application(), access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        if runner.server is None:
            raise RuntimeError("a runner that is set up has a server")
        accepting = await asyncio.get_running_loop().create_server(
            partial(self._admission.gate, connections(runner.server)), sock=served.socket, backlog=BACKLOG
        )
        self._stack.callback(accepting.close)

    async def _issue(self, body: bytes) -> bytes:
        answer = await self._post("/v1/issue", body)
        if says_session_ended(answer):
            self._enrolment.forget_session()
            answer = await self._post("/v1/issue", body)
        return answer

    async def _post(self, path: str, body: bytes) -> bytes:
        """POST to the issuer; being enrolled no more is told to workloads as unavailable, empties the cache and ends streams."""
        try:
            return await self._enrolment.post(path, body)
        except RemitError as error:
            if not _means_expelled(error):
                raise
            expelled = ExpelledError(
                "the issuer does not accept this sidecar", code=error.code, hint="see the sidecar's log"
            )
            self._tokens.drop_all()
            self._streams.end_all(expelled)
            _log.error("the issuer refuses this sidecar", code=error.code, detail=error.detail, hint=error.hint)
            raise expelled from error

    def _changed(self) -> None:
        """A status or a key has changed: what that ended is gone before anything else is answered."""
        dropped = self._tokens.drop_withdrawn()
        if dropped:
            _log.info("dropped what was withdrawn", answers=dropped)
        self._streams.changed(here=dropped > 0)

    def _show_sizes(self) -> None:
        """Let the metrics look whenever they are read."""
        self._metrics.connections.set_function(lambda: len(self._callers))
        self._metrics.launches.set_function(lambda: len(self._launches))
        self._metrics.tasks.set_function(lambda: len(self._tasks))
        self._metrics.streams.set_function(lambda: len(self._streams))
        self._metrics.cached.set_function(lambda: len(self._tokens))
        self._metrics.issuer_up.set_function(lambda: not self._client.circuit.is_open)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            for tidy in self._tidied:
                tidy()


def _encode(request: TokenRequest, tokens: tuple[IssuedToken, ...]) -> Replies:
    presentable = tuple(token for token in tokens if not token.is_bound)
    return Replies(grpc=encode_jwt_svids(presentable) if presentable else None, http=encode_token(request, tokens[0]))


def _means_expelled(error: RemitError) -> bool:
    """The issuer takes no session and no key of this sidecar any more; other refusals are about one request."""
    return isinstance(error, ConfigurationError) or (isinstance(error, IssuerRefusedError) and error.status == 401)


def ready_line(config: SidecarConfig, membership: Membership) -> bytes:
    """What is told to whoever waits for the sidecar to be ready: one line of JSON."""
    told = {
        "ready": True,
        "sidecar": membership.sidecar,
        "trust_domain": membership.trust_domain,
        "workload_socket": str(config.workload_socket),
        "remit_socket": str(config.remit_socket),
    }
    return msgspec.json.encode(told) + b"\n"
