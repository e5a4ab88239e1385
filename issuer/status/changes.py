"""Reading the recorded changes of status, as the events that tell of them."""

from dataclasses import dataclass
from typing import Final

import msgspec

from issuer.keys import KeyService
from issuer.status import store
from issuer.status.model import Mark
from issuer.status.signing import list_uri
from issuer.status.standing import Standing
from issuer.storage import Database, Row, Transaction
from remit.secevent import StatusEvent, StatusMark

CHANGES: Final = (
    "SELECT seq, marks, lists, keys, committed_at_ms FROM status_changes WHERE seq > $1 ORDER BY seq LIMIT $2"
)
"""A page of what changed, in the order of the commits."""

_decode_marks: Final = msgspec.json.Decoder(list[Mark]).decode
_decode_lists: Final = msgspec.json.Decoder(list[int]).decode
_decode_keys: Final = msgspec.json.Decoder(tuple[str, ...]).decode


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read at one moment.

    Attributes:
        standing: how things stood.
        changes: the first changes beyond the number that was asked about, in order; each of them is in `standing`.
    """

    standing: Standing
    changes: list[StatusEvent]


class ChangeLog:
    """The changes of status that one issuer's database has recorded."""

    def __init__(self, database: Database, keys: KeyService, issuer: str) -> None:
        """Read from `database`; `keys` knows the bundle, `issuer` is the public URL."""
        self._database = database
        self._keys = keys
        self._issuer = issuer

    async def head(self) -> int:
        """The number of the newest change."""
        return await self._database.read(store.head)

    async def read(self, after: int, limit: int) -> Reading:
        """How things stand, and the first `limit` changes after number `after`, of one snapshot.

        Raises:
            StorageError: the database cannot be read.
        """
        at = await self._database.now()
        return await self._database.read(lambda tx: self._read(tx, at, after, limit))

    def heartbeat(self, standing: Standing) -> StatusEvent:
        """The event that says how things stood, and nothing else."""
        return StatusEvent(issuer=self._issuer, issued_at=standing.at, seq=standing.seq, bundle_seq=standing.bundle_seq)

    async def _read(self, tx: Transaction, at: int, after: int, limit: int) -> Reading:
        standing = await Standing.read(tx, self._keys, at)
        rows = await tx.fetch(CHANGES, after, limit)
        return Reading(standing, [self._event(row, standing.bundle_seq) for row in rows])

    def _event(self, row: Row, bundle_seq: int) -> StatusEvent:
        """The event of a recorded change; `iat` is when it was committed, also if it is sent again later."""
        marks = row["marks"]
        lists = () if marks is not None else _decode_lists(row["lists"])
        return StatusEvent(
            issuer=self._issuer,
            issued_at=row["committed_at_ms"] // 1000,
            seq=row["seq"],
            bundle_seq=bundle_seq,
            marks=() if marks is None else tuple(self._mark(mark) for mark in _decode_marks(marks)),
            lists=tuple(list_uri(self._issuer, number) for number in lists),
            keys=_decode_keys(row["keys"]),
        )

    def _mark(self, mark: Mark) -> StatusMark:
        return StatusMark(list_uri(self._issuer, mark.list), mark.idx, mark.value)
