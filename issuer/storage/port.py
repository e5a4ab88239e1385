"""The port that domain code sees of a database.

SQL is written with numbered placeholders (`$1`, `$2`), which both dialects share. A unit of work is a coroutine
function that takes a `Transaction` and awaits nothing but its methods: a driver may run it to completion on a thread of
its own, beside others in one commit.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from remit.errors import RemitError

Value = str | int | bytes | None
"""What a placeholder takes. Money and times are integers; there is no float column."""

T = TypeVar("T")


class StorageError(RemitError):
    """The database could not do its work; nothing of the unit of work remains."""

    default_code = "storage_unavailable"


class UniqueViolationError(StorageError):
    """A row with this key exists already."""

    default_code = "conflict"


class Row(Protocol):
    """One row; a column's type is the schema's."""

    def __getitem__(self, column: str, /) -> Any:  # noqa: ANN401 - the schema knows the type, the type checker cannot
        """Return the value of `column`."""


class Transaction(Protocol):
    """One unit of work in progress. It is atomic: an exception out of it undoes all that it wrote."""

    async def fetch(self, sql: str, *args: Value) -> Sequence[Row]:
        """Run a statement and return all its rows."""

    async def fetch_row(self, sql: str, *args: Value) -> Row | None:
        """Run a statement and return its first row, or None."""

    async def execute(self, sql: str, *args: Value) -> int:
        """Run a statement and return how many rows it changed.

        Raises:
            UniqueViolationError: a row with this key exists already.
        """

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run a statement once for each of `rows`.

        Raises:
            UniqueViolationError: a row with one of these keys exists already.
        """

    async def now_ms(self) -> int:
        """Return the database's clock, milliseconds since the epoch."""


class Database(Protocol):
    """A database that serializes writes and answers reads from a snapshot."""

    async def transaction(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` alone among writers; when this returns, what it wrote is durable.

        Units of work that arrive together share one commit. An exception out of `work` undoes that unit only.

        Raises:
            StorageError: the database failed; nothing was written.
        """

    async def read(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` on a consistent snapshot; it must not write."""

    async def now(self) -> int:
        """Return the database's clock, seconds since the epoch."""

    async def close(self) -> None:
        """Finish what is under way, then close."""
