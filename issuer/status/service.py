"""The door to the status lists for those who sign, serve and show them."""

import asyncio
from typing import Final

from issuer.status import allocation, store
from issuer.status.model import ListSnapshot, StatusFigures
from issuer.storage import Database

_PAGE: Final = 4096
"""Most marks that one read takes: reads run in turn with everything else that the issuer does."""

_OUTLIVES_TOKENS_SECONDS: Final = 3600
"""Longer than any token lives, with any leeway that can be configured."""


class StatusLists:
    """The status lists of one issuer."""

    def __init__(self, database: Database) -> None:
        """Keep the lists in `database`."""
        self._database = database

    async def prepare(self, now: int) -> None:
        """See to it that there are lists to announce, before the first grant needs one."""
        await self._database.transaction(lambda tx: allocation.prepare(tx, now))

    async def announced(self) -> list[int]:
        """The numbers of all lists that a token may name, those not in use yet included.

        A list that has ended is announced until every token that names it is over too.
        """
        ended_after = await self._database.now() - _OUTLIVES_TOKENS_SECONDS
        return await self._database.read(lambda tx: store.announced(tx, ended_after))

    async def head(self) -> int:
        """The sequence number of the last change of any value."""
        return await self._database.read(store.head)

    async def snapshot(self, number: int) -> ListSnapshot:
        """One list as it is now, no change up to its `seq` missing.

        It is read in pages, and a change meanwhile may be in it or not: each value is one that held after `seq` was read.

        Raises:
            NotFoundError: there is no such list.
        """
        size, seq = await self._database.read(lambda tx: store.size_and_head(tx, number))
        marked: list[tuple[int, int]] = []
        page = await self._page(number, -1)
        while page:
            marked += page
            await asyncio.sleep(0)
            page = await self._page(number, page[-1][0])
        return ListSnapshot(number, size, seq, tuple(marked))

    async def figures(self) -> StatusFigures:
        """How far the lists are used."""
        return await self._database.read(store.figures)

    async def _page(self, number: int, after: int) -> list[tuple[int, int]]:
        return await self._database.read(lambda tx: store.marked(tx, number, after, _PAGE))
