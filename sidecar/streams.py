"""Open streams of the Workload API, and whether their callers are still agents.

A stream is for a caller that has an identity. Who loses it, because its agent was revoked or suspended, its entry removed, or
its program replaced, loses the stream: the issuer is asked for all callers at once, when something changed and now and then,
for a change of entries is not published. Whom the issuer names no agent any more is told so by the end of the stream.
"""

import asyncio
import contextlib
import random
from asyncio import BaseTransport
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from remit.errors import RemitError, UnavailableError
from sidecar.bundles import Watch
from sidecar.errors import ExpelledError
from sidecar.evidence import Evidence
from sidecar.identity import Identities
from sidecar.peer import Caller

_log = structlog.get_logger(__name__)

_EACH_SECONDS = 30.0
_SPLAY_SECONDS = 2.0
_PAUSE_SECONDS = 0.5


class Streams:
    """Who streams."""

    def __init__(
        self,
        identify: Callable[[BaseTransport], Awaitable[Caller]],
        identities: Identities,
        *,
        each_seconds: float = _EACH_SECONDS,
        splay_seconds: float = _SPLAY_SECONDS,
    ) -> None:
        """Ask again every `each_seconds`, and within `splay_seconds` of a change that may concern others."""
        self._identify = identify
        self._identities = identities
        self._each_seconds = each_seconds
        self._splay_seconds = splay_seconds
        self._open: dict[Watch, BaseTransport] = {}
        self._asked = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    @asynccontextmanager
    async def open(self, transport: BaseTransport) -> AsyncIterator[Watch]:
        """Let a caller stream that is an agent, and keep watch over it for as long as that lasts.

        While the issuer is away nobody can say who is one; then the caller streams, and is asked about later.

        Raises:
            RefusedError: it is none, or cannot be identified.
            ExpelledError: the issuer does not accept this sidecar, so it vouches for nobody.
        """
        watch = Watch()
        self._open[watch] = transport  # before the issuer is asked, or a change meanwhile would be missed
        try:
            await self._check(transport)
            yield watch
        finally:
            del self._open[watch]

    def changed(self, *, here: bool) -> None:
        """A status or a key has changed; `here` when it ended answers of this sidecar, so that its callers are concerned."""
        if self._open:
            self._ask(within=0.0 if here else self._splay_seconds)

    def end_all(self, error: RemitError) -> None:
        """End every stream."""
        for watch in self._open:
            watch.end(error)

    async def follow(self) -> None:
        """Ask the issuer who its callers still are, when there is a cause; for ever."""
        while True:
            await self._cause()
            try:
                await self._ask_again()
            except RemitError as error:
                _log.info("streams not checked", code=error.code)
                self._ask(within=self._splay_seconds)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _check(self, transport: BaseTransport) -> None:
        caller = await self._identify(transport)
        try:
            await self._identities.of(caller.evidence)
        except ExpelledError:
            raise
        except UnavailableError:
            self._ask(within=self._splay_seconds)

    def _ask(self, *, within: float) -> None:
        loop = asyncio.get_running_loop()
        # Spreads load over the sidecars of an issuer; nothing secret depends on it.
        at = loop.time() + random.uniform(0.0, within)  # noqa: S311
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = loop.call_at(at, self._due)

    def _due(self) -> None:
        self._timer = None
        self._asked.set()

    async def _cause(self) -> None:
        """Return when the issuer is to be asked."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._each_seconds):
                await self._asked.wait()
        self._asked.clear()

    async def _ask_again(self) -> None:
        """End the streams of whoever is no agent any more; raise `UnavailableError` where that could not be told of all."""
        watches = list(self._open.items())
        callers = await asyncio.gather(*(self._evidence_of(transport) for _, transport in watches))
        found = await self._identities.of_all(caller for caller in callers if isinstance(caller, Evidence))
        unknown: RemitError | None = None
        for (watch, _), caller in zip(watches, callers, strict=True):
            outcome = found[caller.digest] if isinstance(caller, Evidence) else caller
            if isinstance(outcome, UnavailableError):
                unknown = outcome
            elif isinstance(outcome, RemitError):
                watch.end(outcome)
        if unknown is not None:
            raise unknown

    async def _evidence_of(self, transport: BaseTransport) -> Evidence | RemitError:
        if transport.is_closing():
            return UnavailableError("the caller has hung up")
        try:
            return (await self._identify(transport)).evidence
        except RemitError as error:
            return error
