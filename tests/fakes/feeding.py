"""A feed of status events over a real database, and subscribers that note what they are handed."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from issuer.keys import KeyPolicy, KeyService, Purpose
from issuer.keys.files import KeyFiles
from issuer.status import store
from issuer.status.changes import ChangeLog
from issuer.status.events import EventSigner, SignedEvent
from issuer.status.feed import StatusFeed
from issuer.status.model import Mark, StatusChange
from issuer.status.subscribers import Bounds, Subscribers
from issuer.storage import Database, SQLiteDatabase, StorageError
from remit.bundle import parse_jwks
from remit.secevent import StatusEvent

ISSUER = "https://issuer.example.org"
NEVER = 3600.0
"""Heartbeats so far apart that what a test sees is not one of them."""


class NotingStream:
    """A subscriber that notes what it is handed.

    Attributes:
        events: what it was handed.
        stuck: whether it does not read.
        gone: whether it left.
        ended: whether it was told that nothing more comes.
    """

    def __init__(self) -> None:
        self.events: list[SignedEvent] = []
        self.stuck = self.gone = self.ended = False
        self._changed = asyncio.Event()

    def send(self, event: SignedEvent) -> None:
        self.events.append(event)
        self._changed.set()

    def is_open(self) -> bool:
        return not self.gone

    def is_stuck(self) -> bool:
        return self.stuck

    def drop(self) -> None:
        self.gone = True

    def end(self) -> None:
        self.ended = True
        self._changed.set()

    @property
    def seen(self) -> list[tuple[str, int]]:
        """Kind and number of each."""
        return [(event.kind, event.seq) for event in self.events]

    async def until(self, *last: tuple[str, int]) -> None:
        """Wait until these are the last ones."""
        await self._wait(lambda: self.seen[-len(last) :] == list(last))

    async def until_ended(self) -> None:
        """Wait until it was told that nothing more comes."""
        await self._wait(lambda: self.ended)

    async def _wait(self, holds) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


class FailingDatabase:
    """The `Database` port that can be made to fail, and where something can happen while the clock is read."""

    def __init__(self, inner: Database) -> None:
        self._inner = inner
        self.broken = False
        self.at_the_clock = None
        self._asked = asyncio.Event()
        self.transaction, self.close = inner.transaction, inner.close

    async def asked(self, times: int) -> None:
        """Wait until the clock has been asked for so often."""
        for _ in range(times):
            self._asked.clear()
            await self._asked.wait()

    async def now(self) -> int:
        self._asked.set()
        if self.broken:
            raise StorageError("the database is away")
        if self.at_the_clock is not None:
            happening, self.at_the_clock = self.at_the_clock, None
            await happening()
        return await self._inner.now()

    async def read(self, work):
        if self.broken:
            raise StorageError("the database is away")
        return await self._inner.read(work)


@dataclass
class Fed:
    """A feed that runs, and what it stands on."""

    database: FailingDatabase
    keys: KeyService
    subscribers: Subscribers
    feed: StatusFeed

    async def change(self, *marks: Mark, keys: tuple[str, ...] = (), count: int = 1, wake: bool = True) -> None:
        """Commit changes, each of these marks."""
        for _ in range(count):
            change = StatusChange(
                verb="revoke",
                what="a test",
                account=None,
                marks=marks or ([] if keys else [Mark(1, 7, 1)]),
                keys=keys,
                requested_at_ms=0,
            )
            await self.database.transaction(lambda tx, change=change: store.advance(tx, change))
        if wake:
            self.feed.wake()

    async def join(self, seq: int | None = None) -> NotingStream:
        """A subscriber, once it has heard something."""
        stream = NotingStream()
        self.feed.join(stream, seq)
        await stream._wait(lambda: stream.events)
        return stream

    async def verified(self, event: SignedEvent) -> StatusEvent:
        """What an event says, to who knows the issuer's status keys."""
        now = int(time.time())
        published = await self.keys.published(Purpose.STATUS, now=now)
        jwks = {"keys": [key.jwk | {"kid": key.kid} for key in published.keys]}
        fields = dict(line.split(": ", 1) for line in event.frame.decode().strip().split("\n"))
        assert (int(fields["id"]), fields["event"]) == (event.seq, event.kind)
        keys = parse_jwks(json.dumps(jwks).encode())
        return StatusEvent.verify(fields["data"].encode(), keys=keys, issuer=ISSUER, now=now)


@asynccontextmanager
async def feeding(folder: Path, *, heartbeat_seconds: float = NEVER, before=None):
    """Run a feed; `before` is done with it before it starts."""
    database = FailingDatabase(SQLiteDatabase(folder / "remit.db"))
    keys = KeyService(database, KeyFiles(folder / "keys"), KeyPolicy("issuer-1", 100, 305))
    await keys.start(now=int(time.time()))
    subscribers = Subscribers(Bounds(anonymous=10, per_address=4, per_provider=3))
    changes = ChangeLog(database, keys, ISSUER)
    feed = StatusFeed(changes, EventSigner(keys), subscribers, heartbeat_seconds=heartbeat_seconds)
    fed = Fed(database, keys, subscribers, feed)
    try:
        if before is not None:
            await before(fed)
        await feed.start()
        yield fed
    finally:
        await feed.close()
        await database.close()
