"""Drawing indexes: at random, so that an index tells neither how many grants there are nor when one was made.

A list counts as full when half of it is drawn: until then a draw hits a free index at least every second time. The list
after the one in use always exists already, so that verifiers have heard of it before a token names it. Rows of
`status_indexes` are never deleted, so an index is never used twice.
"""

import secrets
from collections.abc import Iterable
from typing import Final

from issuer.registry.state import StatusValue
from issuer.status.model import LIST_SIZE, StatusIndex
from issuer.storage import Row, StorageError, Transaction
from issuer.storage.statements import in_list

_CHUNK: Final = 500
"""Most indexes that one statement asks about."""

_END_LISTS: Final = """
UPDATE status_lists SET ended_at = $1
WHERE ended_at IS NULL AND allocated >= size / 2
AND allocated = (SELECT count(*) FROM status_indexes WHERE list = number)
AND NOT EXISTS (
    SELECT 1 FROM status_indexes JOIN grants ON grants.id = status_indexes.grant_id
    WHERE status_indexes.list = status_lists.number AND value <> 1 AND (expires_at IS NULL OR expires_at > $1)
)
"""


async def prepare(tx: Transaction, now: int) -> None:
    """See to it that there is a list to draw from, and an empty one after it, and note which have ended."""
    await _open_lists(tx, now)
    await _end_lists(tx, now)


async def draw(tx: Transaction, count: int, now: int) -> list[StatusIndex]:
    """Take `count` free indexes; `assign` them in the same transaction."""
    drawn: list[StatusIndex] = []
    while len(drawn) < count:
        row = await _open_lists(tx, now)
        number, size, allocated = row["number"], row["size"], row["allocated"]
        wanted = min(count - len(drawn), size // 2 - allocated)
        taken = await _free_indexes(tx, number, size, wanted)
        await tx.execute("UPDATE status_lists SET allocated = allocated + $2 WHERE number = $1", number, wanted)
        drawn.extend(StatusIndex(number, idx) for idx in taken)
    await _open_lists(tx, now)
    return drawn


async def assign(tx: Transaction, assigned: Iterable[tuple[StatusIndex, str, StatusValue]]) -> None:
    """Bind drawn indexes to grants (which exist by now), each with its first value."""
    await tx.execute_many(
        "INSERT INTO status_indexes (list, idx, grant_id, value) VALUES ($1, $2, $3, $4)",
        ((index.list, index.idx, grant_id, value) for index, grant_id, value in assigned),
    )


async def renew(tx: Transaction, grant_id: str, value: StatusValue, now: int) -> StatusIndex:
    """Give a grant that has none (its last one was revoked with a token) a fresh index, and return it."""
    (index,) = await draw(tx, 1, now)
    await assign(tx, [(index, grant_id, value)])
    await tx.execute(
        "UPDATE grants SET status_list = $2, status_index = $3, revision = revision + 1 WHERE id = $1",
        grant_id,
        index.list,
        index.idx,
    )
    return index


async def _open_lists(tx: Transaction, now: int) -> Row:
    """Return the list to draw from, with an empty one after it; lists are added as needed."""
    for _ in range(3):
        rows = await tx.fetch(
            "SELECT number, size, allocated FROM status_lists WHERE allocated < size / 2 ORDER BY number LIMIT 2"
        )
        if len(rows) == 2:
            return rows[0]
        await _end_lists(tx, now)
        await tx.execute(
            "INSERT INTO status_lists (number, size, created_at) "
            "SELECT coalesce(max(number), 0) + 1, $1, $2 FROM status_lists",
            LIST_SIZE,
            now,
        )
    raise StorageError("no status list could be opened")


async def _end_lists(tx: Transaction, now: int) -> None:
    """Note which full lists have no grant left that a token can be issued on: each was revoked or has ended, which is final.

    A list whose last indexes were drawn in this very transaction is not assigned yet, and does not count as full.
    """
    await tx.execute(_END_LISTS, now)


async def _free_indexes(tx: Transaction, number: int, size: int, count: int) -> set[int]:
    free: set[int] = set()
    while len(free) < count:
        candidates = {secrets.randbelow(size) for _ in range(min(count - len(free), _CHUNK))} - free
        free |= candidates - await _used_indexes(tx, number, sorted(candidates))
    return free


async def _used_indexes(tx: Transaction, number: int, candidates: list[int]) -> set[int]:
    sql = in_list("SELECT idx FROM status_indexes WHERE list = $1 AND idx IN", 2, len(candidates))
    return {row["idx"] for row in await tx.fetch(sql, number, *candidates)}
