"""A database between whose units of work a test does something."""

from collections.abc import Awaitable, Callable

from issuer.storage import Database


class Interposing:
    """The `Database` port, with something that happens just before the next transaction.

    Attributes:
        before: what happens before each of the next transactions, in turn.
        transactions: how many there were.
        reads: how many reads there were.
    """

    def __init__(self, inner: Database) -> None:
        self._inner = inner
        self.before: list[Callable[[], Awaitable[object]]] = []
        self.transactions = self.reads = 0
        self.now, self.close = inner.now, inner.close

    async def transaction(self, work):
        """Run `work` after what waits before it."""
        self.transactions += 1
        if self.before:
            await self.before.pop(0)()
        return await self._inner.transaction(work)

    async def read(self, work):
        """Run `work`, counted."""
        self.reads += 1
        return await self._inner.read(work)


async def nothing() -> None:
    """Let a transaction pass."""
