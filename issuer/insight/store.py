"""Reading what is on record of changes."""

from typing import Final

from issuer.insight.model import ChangeFigures
from issuer.storage import Row, Transaction

CHANGES: Final = (
    "SELECT seq, verb, requested_at_ms, committed_at_ms, enforced_ms, silent FROM status_changes "
    "WHERE (committed_at_ms, seq) > ($1, $2) ORDER BY committed_at_ms, seq LIMIT $3"
)
"""A page of changes by time; an index has them in this order."""


async def changes_since(tx: Transaction, at_ms: int, seq: int, limit: int) -> list[ChangeFigures]:
    """The first `limit` changes beyond the one of this time and number."""
    return [_figures(row) for row in await tx.fetch(CHANGES, at_ms, seq, limit)]


def _figures(row: Row) -> ChangeFigures:
    return ChangeFigures(
        seq=row["seq"],
        verb=row["verb"],
        committed_at_ms=row["committed_at_ms"],
        commit_ms=max(0, row["committed_at_ms"] - row["requested_at_ms"]),
        enforced_ms=row["enforced_ms"],
        silent=row["silent"] or 0,
    )
