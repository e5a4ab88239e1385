"""The door to enforcement: verifiers register, acknowledge and leave; operators see what is enforced.

The promise: once `report` says of a change that nobody is silent, no verification that begins after that, in any registered verifier,
accepts what the change took away. It holds because a verifier is awaited from before its registration is durable; because it
refuses every token until the head that the registration's answer names is loaded; and because it is awaited until it said goodbye or was away
for longer than it would accept anything without hearing of us.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import structlog

from issuer.enforcement import store
from issuer.enforcement.following import Following, Verifier
from issuer.enforcement.model import Bounds, CommittedChange, Recorded, Registered, Registration, Report, ShownVerifier
from issuer.enforcement.reporting import Reporter, shown
from issuer.enforcement.settling import Settling, observe_commit
from issuer.enforcement.store import ProviderRow
from issuer.enforcement.watch import Watch
from issuer.errors import ConflictError, NotFoundError, UnauthenticatedError
from issuer.registry.model import Page, Provider
from issuer.registry.roles import Operator
from issuer.registry.state import State
from issuer.status.store import head
from issuer.storage import Database, StorageError, Transaction
from remit.errors import RemitError

MAX_WAITING: Final = 64
"""Most requests that wait for a change to be enforced; one more is answered at once."""

_ROUND_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.05
"""Between two rounds however much there is to do, so that a storm of changes is settled many at a time."""

_log = structlog.get_logger(__name__)


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class Enforcement:
    """The registered verifiers of one issuer, and what each of them enforces."""

    def __init__(
        self,
        database: Database,
        bounds: Bounds,
        *,
        heartbeat_seconds: int,
        anonymous: Callable[[], int],
        monotonic_ms: Callable[[], int] = _monotonic_ms,
    ) -> None:
        """Keep the verifiers in `database`; nothing is known before `start`.

        Args:
            database: where.
            bounds: for how long those may go on who were not told of a change.
            heartbeat_seconds: what verifiers are told of the stream.
            anonymous: how many listen to it without a name.
            monotonic_ms: a clock that only goes forward, and may stop while the machine sleeps.
        """
        self._database = database
        self._heartbeat_seconds = heartbeat_seconds
        self._monotonic_ms = monotonic_ms
        self._watch = Watch(bounds)
        self._settling = Settling(database, self._watch)
        self._reporter = Reporter(self._watch, bounds, anonymous)
        self._providers: dict[str, ProviderRow] = {}
        self._stirred = asyncio.Event()
        self._waiting = 0
        self._ahead_ms = 0  # by how much the database's clock is ahead of ours, as of the last look
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up what was written before: every verifier counts as seen now, and what is not settled is followed again.

        Raises:
            StorageError: the database cannot be read.
        """
        await self._database.transaction(store.delete_verifiers_of_stopped)
        verifiers, unsettled, seq, self._providers = await self._database.read(_everything)
        self._watch.restore(verifiers, unsettled, seq, self._monotonic_ms())
        for verifier in verifiers:
            self._settling.wrote(verifier)
        self._task = asyncio.create_task(self._run(), name="enforcement")

    async def close(self) -> None:
        """Answer everybody who waits, and write how far each verifier is."""
        if self._task is None:
            return
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        for following in self._watch.followed.values():
            following.complete.set()
        await self._round(flush=True)

    async def register(self, provider: Provider, request: Registration) -> Registered:
        """Register a verifier, or one again; durable when this returns.

        Raises:
            ConflictError: the instance is another provider's.
            TooManyVerifiersError: the provider has as many as it may.
            UnauthenticatedError: the provider was stopped meanwhile.
        """
        verifier = self._watch.expect(provider.name, request, self._monotonic_ms())
        try:
            seq, at_ms = await self._database.transaction(lambda tx: _register(tx, provider.name, request))
        except RemitError:
            self._watch.withdraw(verifier)
            raise
        await self._catch_up()
        if self._providers[provider.name].state is not State.ACTIVE:
            self._watch.drop(verifier)
            raise UnauthenticatedError("the provider was stopped meanwhile")
        self._watch.register(verifier, request, seq, at_ms, self._monotonic_ms())
        self._settling.wrote(verifier)
        self._stirred.set()
        return Registered(seq, provider.name, self._heartbeat_seconds)

    async def acknowledge(self, provider: Provider, instance: str, seq: int) -> None:
        """A verifier enforces `seq` and all before it; an older one than it said before changes nothing.

        Raises:
            UnknownVerifierError: it is not registered, or not any more.
            ConflictError: there is no such change yet.
        """
        verifier = self._watch.find(provider.name, instance)
        if seq > self._watch.head:
            await self._catch_up()
        if seq > self._watch.head:
            raise ConflictError(f"there is no change {seq} yet", hint="acknowledge what was received")
        verifier.seen = self._monotonic_ms()
        verifier.seen_at_ms = verifier.seen + self._ahead_ms
        if self._watch.progress(verifier, seq, verifier.seen_at_ms):
            self._stirred.set()

    async def leave(self, provider: Provider, instance: str) -> None:
        """A verifier says goodbye: it accepts nothing any more, and is awaited no more.

        Raises:
            UnknownVerifierError: it is not registered.
        """
        self._watch.drop(self._watch.find(provider.name, instance))
        await self._database.transaction(lambda tx: store.delete_verifiers(tx, [instance]))

    @contextmanager
    def attending(self, provider: Provider, instance: str) -> Iterator[asyncio.Event]:
        """Count a verifier as present while its stream of events is open.

        Yields:
            An event that is set when the stream must end: the provider was stopped, its credential replaced, the verifier is gone.

        Raises:
            UnknownVerifierError: it is not registered.
        """
        verifier = self._watch.find(provider.name, instance)
        ended = asyncio.Event()
        verifier.streams.add(ended)
        try:
            yield ended
        finally:
            verifier.streams.discard(ended)
            verifier.seen = self._monotonic_ms()

    async def report(self, viewer: Operator, seq: int, *, wait_seconds: int) -> Report:
        """How far a change is enforced, waiting until nobody is silent, at most `wait_seconds`.

        Args:
            viewer: who asks; what was done is told only to those who see its account.
            seq: the change.
            wait_seconds: 0 answers at once.

        Raises:
            NotFoundError: there is no such change yet.
        """
        await self._catch_up()
        if seq > self._watch.head:
            raise NotFoundError(f"there is no change {seq} yet")
        following = self._watch.followed.get(seq)
        if following is not None and wait_seconds:
            await self._wait(following, wait_seconds)
        if following is not None:
            found: Recorded | None = Recorded(following.change, following.settled)
        else:
            found = await self._database.read(lambda tx: store.read_change(tx, seq))
        return self._reporter.report(viewer, seq, found)

    async def verifiers(self, page: Page) -> list[ShownVerifier]:
        """A page of the registered verifiers by provider and instance; the cursor is `provider/instance`."""
        now_ms = await self._database.read(lambda tx: tx.now_ms())
        every = (shown(one, now_ms) for one in self._watch.verifiers.values() if one.registered_at_ms)
        return sorted((one for one in every if one.cursor > page.after), key=lambda one: one.cursor)[: page.limit]

    def stir(self) -> None:
        """Something was committed: look at once."""
        self._stirred.set()

    async def _run(self) -> None:
        flushed = self._monotonic_ms()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_ROUND_SECONDS):
                    await self._stirred.wait()
            self._stirred.clear()
            flush = self._monotonic_ms() - flushed >= _ROUND_SECONDS * 1000
            await self._round(flush=flush)
            flushed = self._monotonic_ms() if flush else flushed
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _round(self, *, flush: bool) -> None:
        """See what was committed and write what came of it; what cannot be written now is written by a later round."""
        try:
            await self._catch_up()
            await self._settling.round(self._monotonic_ms(), flush=flush)
        except Exception as error:  # noqa: BLE001 - not even a defect may end the rounds: nothing would be settled any more
            _log.error("enforcement not recorded", error=type(error).__name__, exc_info=_trace(error))

    async def _catch_up(self) -> None:
        """See what was committed, and which providers were stopped."""
        changes, providers, at_ms = await self._database.read(lambda tx: _news(tx, self._watch.head))
        now = self._monotonic_ms()
        self._ahead_ms = at_ms - now
        for change in changes:
            if self._watch.notice(change, now):
                observe_commit(change)
        if providers != self._providers:
            self._heed(providers)

    def _heed(self, providers: dict[str, ProviderRow]) -> None:
        """Drop the verifiers of providers that were stopped; end the streams of those that have another credential."""
        before, self._providers = self._providers, providers
        for verifier in list(self._watch.verifiers.values()):
            row = providers.get(verifier.provider)
            if row is None or row.state is not State.ACTIVE:
                self._watch.drop(verifier)
            elif row != before.get(verifier.provider, row):
                for ended in verifier.streams:
                    ended.set()

    async def _wait(self, following: Following, seconds: int) -> None:
        if self._task is None or self._waiting >= MAX_WAITING:
            return
        self._waiting += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await following.complete.wait()
        finally:
            self._waiting -= 1


async def _register(tx: Transaction, provider: str, request: Registration) -> tuple[int, int]:
    seq, now_ms = await _head_and_clock(tx)
    enforced = seq if request.enforced is None else min(request.enforced, seq)
    await store.upsert_verifier(tx, provider, request, enforced_seq=enforced, now_ms=now_ms)
    return seq, now_ms


async def _head_and_clock(tx: Transaction) -> tuple[int, int]:
    return await head(tx), await tx.now_ms()


async def _news(tx: Transaction, seq: int) -> tuple[list[CommittedChange], dict[str, ProviderRow], int]:
    return await store.changes_after(tx, seq), await store.provider_rows(tx), await tx.now_ms()


async def _everything(
    tx: Transaction,
) -> tuple[list[Verifier], list[CommittedChange], int, dict[str, ProviderRow]]:
    return (
        await store.all_verifiers(tx),
        await store.unsettled_changes(tx),
        await head(tx),
        await store.provider_rows(tx),
    )


def _trace(error: Exception) -> Exception | None:
    """What the log shows of it: nothing more when it is the database that is away."""
    return None if isinstance(error, StorageError) else error
