"""Reading the status lists, and the head that numbers their changes and keeps what each was."""

from collections.abc import Sequence
from typing import Final

import msgspec

from issuer.errors import NotFoundError
from issuer.registry.state import StatusValue
from issuer.status.model import ListFigures, Mark, StatusChange, StatusFigures, StatusIndex
from issuer.storage import StorageError, Transaction
from remit.secevent import MAX_MARKS

MARKED: Final = (
    "SELECT idx, value FROM status_indexes WHERE list = $1 AND idx > $2 AND value <> 0 ORDER BY idx LIMIT $3"
)
"""A page of what is not valid; an index of its own has exactly these rows."""


async def head(tx: Transaction) -> int:
    """The sequence number of the last change of any value."""
    row = await tx.fetch_row("SELECT seq FROM status_head")
    return int(row["seq"]) if row is not None else 0


async def advance(tx: Transaction, change: StatusChange) -> int:
    """Number a change and keep what it was; the last thing that a transaction does, so that `seq` follows commit order.

    Returns:
        The head's sequence number, which nothing moves when nothing changed.
    """
    if not change.marks and not change.keys:
        return await head(tx)
    row = await tx.fetch_row("UPDATE status_head SET seq = seq + 1 RETURNING seq")
    if row is None:
        raise StorageError("the head of the status lists is missing", hint="restore the database from a backup")
    seq = int(row["seq"])
    await tx.execute(
        "INSERT INTO status_changes (seq, verb, what, account, marks, lists, keys, requested_at_ms, committed_at_ms) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        seq,
        change.verb,
        change.what,
        change.account,
        _encoded(change.marks) if len(change.marks) <= MAX_MARKS else None,
        _encoded(sorted({mark.list for mark in change.marks})),
        _encoded(change.keys),
        change.requested_at_ms,
        await tx.now_ms(),
    )
    return seq


async def announced(tx: Transaction, ended_after: int) -> list[int]:
    """The numbers of all lists that have not ended, or after this time; those not in use yet included."""
    sql = "SELECT number FROM status_lists WHERE ended_at IS NULL OR ended_at > $1 ORDER BY number"
    return [row["number"] for row in await tx.fetch(sql, ended_after)]


async def value_of(tx: Transaction, index: StatusIndex) -> StatusValue:
    """What the lists say of an index; of one that was never drawn, that it is invalid."""
    row = await tx.fetch_row("SELECT value FROM status_indexes WHERE list = $1 AND idx = $2", index.list, index.idx)
    return StatusValue.INVALID if row is None else StatusValue(row["value"])


async def size_and_head(tx: Transaction, number: int) -> tuple[int, int]:
    """How many indexes a list has, and the head's sequence number; raises `NotFoundError`."""
    row = await tx.fetch_row("SELECT size FROM status_lists WHERE number = $1", number)
    if row is None:
        raise NotFoundError(f"there is no status list {number}")
    return row["size"], await head(tx)


async def marked(tx: Transaction, number: int, after: int, limit: int) -> list[tuple[int, int]]:
    """Index and value of the first `limit` indexes beyond `after` that are not valid, in their order."""
    return [(row["idx"], row["value"]) for row in await tx.fetch(MARKED, number, after, limit)]


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


def _encoded(values: Sequence[Mark] | Sequence[int] | Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()
