"""Bringing histories up to date in the background, a few at a time; half of the time is left to others."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final

from issuer.did import store
from issuer.did.catching_up import Outlook, Prepared, look, look_below, prepare, write
from issuer.did.model import parse_subject
from issuer.did.store import PendingChange
from issuer.did.writing import HistoryWriter
from issuer.storage import Database, StorageError, Transaction
from remit.errors import ConfigurationError

BATCH: Final = 16
"""Most changes that are worked off at once."""

_LOOK_SECONDS: Final = 1.0
"""How often it looks for changes; a read does not wait for it."""

_log = logging.getLogger(__name__)


async def work_off(database: Database, writer: HistoryWriter, now: int) -> bool:
    """Work off what has waited longest; returns whether there was anything that could be done.

    Raises:
        StorageError: the database failed.
        ConfigurationError: see `HistoryWriter.check_committed`.
    """
    changes = await database.read(lambda tx: store.first_changes(tx, BATCH))
    if not changes:
        return False
    names = dict.fromkeys(change.subject for change in changes if change.facts is not None)
    outlooks = await database.read(lambda tx: _look_all(tx, names))
    prepared = await asyncio.to_thread(lambda: [prepare(writer, outlook, now) for outlook in outlooks])
    return await database.transaction(lambda tx: _write_all(tx, prepared, changes))


@asynccontextmanager
async def running(work: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
    """Do `work` again and again: at once as long as it says that it did something, else after a second."""
    task = asyncio.create_task(_repeat(work))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _repeat(work: Callable[[], Awaitable[bool]]) -> None:
    while True:
        began = time.monotonic()
        try:
            done = await work()
        except (StorageError, ConfigurationError) as error:  # what waits is in the database
            _log.warning("histories cannot be brought up to date: %s", error)
            done = False
        await asyncio.sleep(time.monotonic() - began if done else _LOOK_SECONDS)


async def _look_all(tx: Transaction, names: Iterable[str]) -> list[Outlook]:
    return [await look(tx, parse_subject(name)) for name in names]


async def _write_all(tx: Transaction, prepared: Iterable[Prepared], changes: Iterable[PendingChange]) -> bool:
    """Write what was prepared, and look below what needs it; returns whether that changed anything."""
    written = [await write(tx, one) for one in prepared if one]
    above = [change for change in changes if change.facts is None]
    for change in above:
        await look_below(tx, change, BATCH)
    return any(written) or bool(above)
