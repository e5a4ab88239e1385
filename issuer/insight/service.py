"""The door to insight: reading how authority ended, a page at a time so that nothing else waits for it."""

import asyncio
from typing import Final

from issuer.insight import store
from issuer.insight.model import ChangeFigures, Overview, by_verb
from issuer.storage import Database
from issuer.tasks.model import LINGERING_SECONDS, TaskQuery
from issuer.tasks.service import Tasks

_PAGE: Final = 1000
_MOST_LISTED: Final = 100


class Insight:
    """What operators learn of one issuer."""

    def __init__(self, database: Database, tasks: Tasks) -> None:
        """Read `database`; `tasks` knows which are open."""
        self._database = database
        self._tasks = tasks

    async def overview(self, since_seconds: int) -> Overview:
        """How authority ended in the last `since_seconds`, and where it lingers now."""
        now = await self._database.now()
        lingering = TaskQuery(unused_since=now - LINGERING_SECONDS, limit=_MOST_LISTED)
        return Overview(
            since_at=now - since_seconds,
            verbs=by_verb(await self._changes((now - since_seconds) * 1000)),
            lingering=await self._tasks.open(lingering, now),
            lingering_count=await self._tasks.count(lingering, now),
        )

    async def _changes(self, at_ms: int) -> list[ChangeFigures]:
        found: list[ChangeFigures] = []
        seq = -1
        while True:
            page = await self._page(at_ms, seq)
            found += page
            if len(page) < _PAGE:
                return found
            at_ms, seq = page[-1].committed_at_ms, page[-1].seq
            await asyncio.sleep(0)

    async def _page(self, at_ms: int, seq: int) -> list[ChangeFigures]:
        return await self._database.read(lambda tx: store.changes_since(tx, at_ms, seq, _PAGE))
