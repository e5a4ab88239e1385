"""Reading the status lists, and the head that numbers their changes."""

from issuer.errors import NotFoundError
from issuer.status.model import ListFigures, ListSnapshot, StatusFigures
from issuer.storage import Transaction


async def head(tx: Transaction) -> int:
    """The sequence number of the last change of any value."""
    row = await tx.fetch_row("SELECT seq FROM status_head")
    return int(row["seq"]) if row is not None else 0


async def advance(tx: Transaction, changed: int) -> int:
    """Number a change of `changed` values; the last thing that a transaction does, so that `seq` follows commit order.

    Returns:
        The head's sequence number, which nothing moves when nothing changed.
    """
    if not changed:
        return await head(tx)
    row = await tx.fetch_row("UPDATE status_head SET seq = seq + 1 RETURNING seq")
    return int(row["seq"]) if row is not None else 0


async def announced(tx: Transaction) -> list[int]:
    """The numbers of all lists, those not in use yet included."""
    return [row["number"] for row in await tx.fetch("SELECT number FROM status_lists ORDER BY number")]


async def snapshot(tx: Transaction, number: int) -> ListSnapshot:
    """Read one list; raises `NotFoundError`."""
    row = await tx.fetch_row("SELECT size FROM status_lists WHERE number = $1", number)
    if row is None:
        raise NotFoundError(f"there is no status list {number}")
    marked = await tx.fetch("SELECT idx, value FROM status_indexes WHERE list = $1 AND value <> 0", number)
    return ListSnapshot(number, row["size"], await head(tx), tuple((mark["idx"], mark["value"]) for mark in marked))


async def figures(tx: Transaction) -> StatusFigures:
    """Count what is used, revoked and suspended in each list."""
    rows = await tx.fetch(
        "SELECT number, size, allocated, "
        "(SELECT count(*) FROM status_indexes WHERE list = number AND value <> 0 AND value = 1) AS revoked, "
        "(SELECT count(*) FROM status_indexes WHERE list = number AND value <> 0 AND value = 2) AS suspended "
        "FROM status_lists ORDER BY number"
    )
    lists = tuple(
        ListFigures(row["number"], row["size"], row["allocated"], row["revoked"], row["suspended"]) for row in rows
    )
    return StatusFigures(await head(tx), lists)
