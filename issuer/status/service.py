"""The door to the status lists for those who sign, serve and show them."""

from issuer.status import allocation, store
from issuer.status.model import ListSnapshot, StatusFigures
from issuer.storage import Database


class StatusLists:
    """The status lists of one issuer."""

    def __init__(self, database: Database) -> None:
        """Keep the lists in `database`."""
        self._database = database

    async def prepare(self, now: int) -> None:
        """See to it that there are lists to announce, before the first grant needs one."""
        await self._database.transaction(lambda tx: allocation.prepare(tx, now))

    async def announced(self) -> list[int]:
        """The numbers of all lists, those not in use yet included."""
        return await self._database.read(store.announced)

    async def snapshot(self, number: int) -> ListSnapshot:
        """One list as it is now; raises `NotFoundError`."""
        return await self._database.read(lambda tx: store.snapshot(tx, number))

    async def figures(self) -> StatusFigures:
        """How far the lists are used."""
        return await self._database.read(store.figures)
