"""The audit log's SQL. Rows are only ever added: triggers refuse to change or delete one."""

from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from typing import Final

import msgspec

from issuer.audit.model import AuditQuery, AuditRecord, Outcome, RecordedDecision
from issuer.storage import Row, Transaction, Value
from issuer.storage.statements import filtered

_INSERT: Final = "INSERT INTO audit (at_ms, kind, outcome, actor, account, agent, jti, grant_id, detail) VALUES "
_COLUMNS: Final = 9
_TOGETHER: Final = 16
"""So many records are one statement: each statement makes the writer wait for the interpreter, which others use."""
ISSUANCE: Final = "issuance"
"""The kind that nearly all records are of."""

_encoder: Final = msgspec.json.Encoder()


async def append(tx: Transaction, record: AuditRecord) -> None:
    """Write one record as part of `tx`."""
    await tx.execute(_insert(1), *_row(record))


async def append_many(tx: Transaction, records: Iterable[AuditRecord]) -> None:
    """Write several records as part of `tx`, in their order."""
    rows = [_row(record) for record in records]
    rest = len(rows) % _TOGETHER
    await tx.execute_many(
        _insert(_TOGETHER),
        [list(chain.from_iterable(rows[at : at + _TOGETHER])) for at in range(0, len(rows) - rest, _TOGETHER)],
    )
    await tx.execute_many(_insert(1), rows[len(rows) - rest :])


@lru_cache(maxsize=2)
def _insert(count: int) -> str:
    places = [f"${place}" for place in range(1, count * _COLUMNS + 1)]
    rows = (", ".join(places[at : at + _COLUMNS]) for at in range(0, len(places), _COLUMNS))
    return _INSERT + ", ".join(f"({row})" for row in rows)


async def query(tx: Transaction, which: AuditQuery) -> list[RecordedDecision]:
    """Read the records that `which` describes, oldest first."""
    sql, args = statement(which)
    records = [_recorded(row) for row in await tx.fetch(sql, *args)]
    return records[::-1] if which.newest else records


def statement(which: AuditQuery) -> tuple[str, list[Value]]:
    """The query and its values, written so that an index serves it: an agent's is by its account, and partial ones are named.

    The indexes of what is rare (`kind <> 'issuance'`, `outcome = 'refused'`) are used only where these words are in the text.
    """
    rare = ""
    if which.kind not in (None, ISSUANCE):
        rare += f" AND kind <> '{ISSUANCE}'"
    if which.outcome is not None:
        rare += f" AND outcome = '{which.outcome.value}'"
    account = which.account
    if account is None and which.agent is not None:
        account = which.agent.partition("/")[0]
    return filtered(
        f"SELECT * FROM audit WHERE seq > $1{rare}",  # noqa: S608 - words of ours
        (which.after, which.limit),
        [("account", account), ("agent", which.agent), ("kind", which.kind)],
        f"ORDER BY seq {'DESC' if which.newest else 'ASC'} LIMIT $2",
    )


def _row(record: AuditRecord) -> tuple[Value, ...]:
    return (
        record.at_ms,
        record.kind,
        record.outcome,
        record.actor,
        record.account,
        record.agent,
        record.jti,
        record.grant_id,
        _encoder.encode(record.detail).decode(),
    )


def _recorded(row: Row) -> RecordedDecision:
    return RecordedDecision(
        at_ms=row["at_ms"],
        kind=row["kind"],
        outcome=Outcome(row["outcome"]),
        actor=row["actor"],
        account=row["account"],
        agent=row["agent"],
        jti=row["jti"],
        grant_id=row["grant_id"],
        detail=msgspec.json.decode(row["detail"], type=dict[str, object]),
        seq=row["seq"],
    )
