"""The feed of status events: one task that reads what changed and hands it to those who listen.

It looks after each commit that changed a status (`wake`), and at every heartbeat, so that nothing depends on being woken. A round:

1. read the database's clock, then, on one snapshot, how things stand and the changes that have not been told yet, in order;
2. hand the changes out;
3. once a heartbeat is due, hand it to all; it says how things stood no earlier than at its `iat`;
4. begin with those who came meanwhile: what they missed, if they said what they have seen, then a heartbeat.

An issuer that cannot read its database signs nothing: its listeners hear nothing, and refuse once that passes their bound.
"""

import asyncio
from contextlib import suppress
from typing import Final

import structlog
from prometheus_client import Gauge

from issuer.status.changes import ChangeLog
from issuer.status.events import EventSigner, SignedEvent
from issuer.status.history import KEPT, History
from issuer.status.standing import Standing
from issuer.status.subscribers import Stream, Subscribers
from remit.errors import RemitError

PAGE: Final = 32
"""Most changes that are handed out before connections get their turn to be written to."""

_log = structlog.get_logger("remit.issuer")
_age = Gauge("remit_status_heartbeat_age_seconds", "How long ago the database was read for a heartbeat")


class StatusFeed:
    """Tells the subscribers of one issuer what changes."""

    def __init__(
        self, changes: ChangeLog, signer: EventSigner, subscribers: Subscribers, *, heartbeat_seconds: float
    ) -> None:
        """Tell `subscribers` what `changes` records, signed by `signer`; nothing happens before `start`."""
        self._changes = changes
        self._signer = signer
        self._subscribers = subscribers
        self._heartbeat_seconds = heartbeat_seconds
        self._history = History(signer, 0)
        self._told = 0
        self._now = 0
        self._due_at = 0.0
        self._joining: dict[Stream, int | None] = {}
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failing = False
        self._closed = False

    async def start(self) -> None:
        """Read the newest changes, which are kept for those who come back, and go on from there.

        Raises:
            StorageError: the database cannot be read.
        """
        self._history = History(self._signer, max(0, await self._changes.head() - KEPT))
        await self._tell_changes()
        self._age_from(asyncio.get_running_loop())
        self._task = asyncio.create_task(self._run(), name="status-feed")

    async def close(self) -> None:
        """Tell nothing more, and end every stream in good order, those that join later too."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        for stream in self._joining:
            stream.end()
        self._subscribers.end()

    def wake(self) -> None:
        """A status may have changed: look now. For the event loop's thread, after the commit."""
        self._woken.set()

    def missed(self, seq: int | None) -> list[SignedEvent]:
        """The first changes after number `seq`, to be sent before joining; none when not all of them are kept.

        Raises:
            ConfigurationError: no status key is active.
        """
        if seq is None or not self._history.holds(seq):
            return []
        return self._history.after(seq, PAGE, now=self._now)

    def join(self, stream: Stream, seq: int | None) -> None:
        """Hand `stream` a heartbeat at once and everything from then on, and first what is kept after number `seq`."""
        if self._closed:
            stream.end()
            return
        self._joining[stream] = seq
        self._woken.set()

    def leave(self, stream: Stream) -> None:
        """Hand `stream` nothing more."""
        self._joining.pop(stream, None)
        self._subscribers.remove(stream)

    async def _run(self) -> None:
        while True:
            await self._attempt()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._due_at):
                    await self._woken.wait()
            self._woken.clear()

    async def _attempt(self) -> None:
        """One round, whatever becomes of it; the next one comes with the next heartbeat at the latest."""
        try:
            await self._round()
        except Exception as error:  # noqa: BLE001 - not even a defect may end the feed: its subscribers would never hear again
            self._failed(error)
        else:
            self._failing = False

    async def _round(self) -> None:
        loop = asyncio.get_running_loop()
        is_due = loop.time() >= self._due_at
        if is_due:  # whether or not this one succeeds, another one comes in time
            self._due_at = loop.time() + self._heartbeat_seconds
        self._subscribers.sweep()
        standing = await self._tell_changes()
        self._age_from(loop)
        if self._joining or (is_due and self._subscribers):
            heartbeat = self._signer.sign(self._changes.heartbeat(standing), now=standing.at)
            if is_due:
                self._subscribers.publish(heartbeat)
            self._begin_those_who_came(heartbeat)

    async def _tell_changes(self) -> Standing:
        """Read and hand out what changed; how things stood when nothing was left to tell."""
        while True:
            reading = await self._changes.read(self._history.newest, PAGE)
            self._now = reading.standing.at
            self._history.extend(reading.changes)
            while self._subscribers and (events := self._history.after(self._told, PAGE, now=self._now)):
                for event in events:
                    self._subscribers.publish(event)
                    self._told = event.seq
            self._told = self._history.newest
            if len(reading.changes) < PAGE:
                return reading.standing
            await asyncio.sleep(0)
            self._subscribers.sweep()

    def _begin_those_who_came(self, heartbeat: SignedEvent) -> None:
        for stream, seen in list(self._joining.items()):
            seq = seen
            while events := self.missed(seq):
                for event in events:
                    stream.send(event)
                    seq = event.seq
            stream.send(heartbeat)
            self._subscribers.add(stream)
            del self._joining[stream]

    def _failed(self, error: Exception) -> None:
        if self._failing:
            return
        self._failing = True
        if isinstance(error, RemitError):
            _log.error("no status event can be signed", error=error.code)
        else:
            _log.error("no status event can be signed: a defect", exc_info=error)

    def _age_from(self, loop: asyncio.AbstractEventLoop) -> None:
        read_at = loop.time()
        _age.set_function(lambda: loop.time() - read_at)
