"""The writer thread: units of work that arrive together share one commit.

While one commit is on its way to the disk, the next units gather; under load the thread also lingers a moment before it
commits. Each unit is answered only after its commit, and fails alone.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

from issuer.storage.port import StorageError, Transaction

_log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[Transaction], Awaitable[object]]

_GROUP = 256
"""Most units in one commit: bounds how long the first of them waits."""

_LINGER_SECONDS = 0.002
"""How long a commit waits for more, when the one before it had company."""


class Commits(Protocol):
    """How a driver begins and ends a commit, and a unit of work within it."""

    def begin(self) -> None:
        """Begin a commit."""

    def commit(self) -> None:
        """Make it durable."""

    def rollback(self) -> None:
        """Undo it."""

    def unit(self) -> AbstractContextManager[None]:
        """Enclose one unit of work: an exception undoes that unit only.

        Raises:
            CommitLostError: the database gave up the whole commit, units before this one included.
        """


class CommitLostError(StorageError):
    """The database undid everything since the commit began, as it does on a full disk."""


@dataclass(slots=True)
class _Unit:
    work: Work
    future: "asyncio.Future[object]"
    result: object = None
    error: BaseException | None = None


class Writer:
    """Runs units of work one after the other on its own thread."""

    def __init__(self, commits: Commits, transaction: Transaction) -> None:
        self._commits = commits
        self._transaction = transaction
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="remit-writer", daemon=True)
        self._thread.start()

    async def submit(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in some commit and return its result once that is durable.

        Raises:
            StorageError: the commit failed, or the writer is closed.
        """
        if self._closed:
            raise StorageError("the database is closed")
        unit = _Unit(work, asyncio.get_running_loop().create_future())
        self._queue.put(unit)
        if not self._thread.is_alive():  # it ended between the two lines above
            self._refuse_queue()
        return cast("T", await unit.future)

    async def close(self) -> None:
        """Finish the queue, then stop the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        company = False
        try:
            while (unit := self._queue.get()) is not None:
                company = self._commit_group(unit, linger=company)
        finally:  # however the thread ends, nobody waits for it for ever
            self._closed = True
            self._refuse_queue()

    def _refuse_queue(self) -> None:
        left: list[_Unit] = []
        while not self._queue.empty():
            if (unit := self._queue.get()) is not None:
                unit.error = StorageError("the database is closed")
                left.append(unit)
        _answer(left)

    def _commit_group(self, first: _Unit, *, linger: bool) -> bool:
        """Run `first` and what arrives meanwhile in one commit; True when it had company."""
        units: list[_Unit] = []
        try:
            self._commits.begin()
            for unit in self._gather(first, linger=linger):
                units.append(unit)
                self._perform(unit)
            self._commits.commit()
        except BaseException as error:  # noqa: BLE001 - whatever ended the commit is each waiter's answer
            units = units or [first]
            for unit in units:
                unit.error = unit.error or error
            self._undo()
        finally:
            _answer(units)
        return len(units) > 1

    def _undo(self) -> None:
        try:
            self._commits.rollback()
        except StorageError:
            _log.exception("cannot undo a commit that failed; the next one will try again")

    def _gather(self, first: _Unit, *, linger: bool) -> Iterator[_Unit]:
        """Yield the units of one commit: the first, then what arrives before the deadline, at most `_GROUP`."""
        deadline = time.monotonic() + (_LINGER_SECONDS if linger else 0)
        yield first
        for _ in range(_GROUP - 1):
            try:
                unit = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return
            if unit is None:  # the end: leave it for the thread's own loop
                self._queue.put(None)
                return
            yield unit

    def _perform(self, unit: _Unit) -> None:
        try:
            with self._commits.unit():
                unit.result = run_to_completion(unit.work(self._transaction))
        except CommitLostError:
            raise
        except Exception as error:  # noqa: BLE001 - it is the submitter's to handle
            unit.error = error


def _answer(units: list[_Unit]) -> None:
    """Hand the results to their event loops, in one call for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Unit]] = {}
    for unit in units:
        by_loop.setdefault(unit.future.get_loop(), []).append(unit)
    for loop, answered in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, answered)


def _settle(units: list[_Unit]) -> None:
    for unit in units:
        if unit.future.cancelled():
            continue
        if unit.error is not None:
            unit.future.set_exception(unit.error)
        else:
            unit.future.set_result(unit.result)


def run_to_completion(work: Awaitable[T]) -> T:
    """Run a coroutine that never suspends, without an event loop.

    Raises:
        RuntimeError: it awaited something other than its transaction.
    """
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as end:
        return cast("T", end.value)
    raise RuntimeError("a unit of work may await only its transaction")
