"""The door to open tasks: reading which are open and which linger, up to the last token that was issued."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Final

import structlog

from issuer.storage import Database, StorageError
from issuer.tasks import store
from issuer.tasks.model import OpenTask, TaskQuery
from remit.errors import InvalidInputError

_RECORDS: Final = 1000
"""Most audit records, and most open tasks, that are read at once: reads run in turn with everything else."""

_PAUSE_SECONDS: Final = 30.0
"""How often the log is read when nobody asks: so little is left to read when somebody does."""

_CURSOR_RE: Final = re.compile(r"([0-9]{1,16}):([!-~]{1,64})", re.ASCII)

_log = structlog.get_logger("remit.issuer")


class Tasks:
    """The open tasks of one issuer."""

    def __init__(self, database: Database) -> None:
        """Read them in `database`; the log is followed from `start` on."""
        self._database = database
        self._following = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Follow the audit log, aside from everything else."""
        self._task = asyncio.create_task(self._run(), name="task-uses")

    async def close(self) -> None:
        """Follow it no more; the next start goes on from there."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def open(self, query: TaskQuery, now: int) -> list[OpenTask]:
        """A page of open tasks, those that end first first.

        Raises:
            InvalidInputError: the cursor is none.
        """
        found: list[OpenTask] = []
        async for task in self._matching(query, now):
            found.append(task)
            if len(found) == query.limit:
                break
        return found

    async def count(self, query: TaskQuery, now: int) -> int:
        """How many open tasks there are, whatever `query` says of pages."""
        return sum([1 async for _ in self._matching(query, now)])

    async def catch_up(self) -> None:
        """Read what was written to the audit log since the last time."""
        async with self._following:
            until = await self._database.read(store.newest)
            read = await self._database.read(store.read_up_to)
            while read < until:
                read = await self._read_on(read, min(until, read + _RECORDS))
                await asyncio.sleep(0)

    async def _read_on(self, after: int, until: int) -> int:
        ends = await self._database.read(lambda tx: store.uses(tx, after, until))
        await self._database.transaction(lambda tx: store.keep_uses(tx, ends, until))
        return until

    async def _matching(self, query: TaskQuery, now: int) -> AsyncIterator[OpenTask]:
        await self.catch_up()
        agent = None
        if query.agent is not None:
            account, _, path = query.agent.partition("/")
            agent = (account, path)
        after = _place(query.after, now)
        while True:
            page = await self._page(after, agent)
            for task in page:
                if _is_wanted(task, query):
                    yield task
            if len(page) < _RECORDS:
                return
            after = _place(page[-1].cursor, now)
            await asyncio.sleep(0)

    async def _page(self, after: tuple[int, str], agent: tuple[str, str] | None) -> Sequence[OpenTask]:
        return await self._database.read(lambda tx: store.open_tasks(tx, after, _RECORDS, agent))

    async def _run(self) -> None:
        while True:
            try:
                await self.catch_up()
            except StorageError as error:
                _log.error("the uses of tasks are not followed", error=error.code)
            await asyncio.sleep(_PAUSE_SECONDS)


def _is_wanted(task: OpenTask, query: TaskQuery) -> bool:
    return query.account in (None, task.account) and (
        query.unused_since is None or task.unused_since < query.unused_since
    )


def _place(cursor: str, now: int) -> tuple[int, str]:
    """The place in the list that a cursor stands for; none is before the one where what ends after `now` begins."""
    begin = now, "~"
    if not cursor:
        return begin
    matched = _CURSOR_RE.fullmatch(cursor)
    if matched is None:
        raise InvalidInputError("`after` is no cursor of this list", hint="pass the `next` of the page before")
    return max(begin, (int(matched[1]), matched[2]))
