"""The SQL of open tasks.

When a task's last token ends is in the audit log alone: issuance writes nothing else, and an index by grant would cost it a tenth.
So the log is read aside, each record once, and what it says is kept in `task_uses`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from issuer.registry.state import State
from issuer.storage import Row, Transaction
from issuer.tasks.model import OpenTask

_OPEN: Final = """
SELECT grants.id, grants.task, grants.owner, grants.delegated, grants.created_at, grants.expires_at,
    accounts.name AS account, agents.path, task_uses.ends_at,
    CASE coalesce(status_indexes.value, 0) WHEN 0 THEN 'active' ELSE 'suspended' END AS worth
FROM grants JOIN agents ON agents.id = grants.agent_id JOIN accounts ON accounts.id = agents.account_id
LEFT JOIN task_uses ON task_uses.grant_id = grants.id
LEFT JOIN status_indexes ON status_indexes.list = grants.status_list AND status_indexes.idx = grants.status_index
WHERE grants.task IS NOT NULL AND grants.state <> 'revoked' AND coalesce(status_indexes.value, 0) <> 1
AND {whose} AND (coalesce(grants.expires_at, 9007199254740991), grants.id) > ($1, $2)
ORDER BY coalesce(grants.expires_at, 9007199254740991), grants.id LIMIT $3
"""
_OF_AGENT: Final = """
grants.agent_id = (
    SELECT agents.id FROM agents JOIN accounts ON accounts.id = agents.account_id WHERE accounts.name = $4 AND agents.path = $5
)
"""

OPEN: Final = _OPEN.format(whose="coalesce(grants.expires_at, 9007199254740991) >= $1")
"""A page of open tasks, by when they end; an index of its own has exactly these rows."""

OPEN_OF_AGENT: Final = _OPEN.format(whose=_OF_AGENT)
"""The same of one agent, by the index of its open tasks."""

ISSUED: Final = """
SELECT audit.grant_id, audit.detail FROM (
    SELECT grant_id, max(seq) AS seq FROM audit WHERE seq > $1 AND seq <= $2 AND kind = 'issuance' AND jti IS NOT NULL GROUP BY grant_id
) AS last JOIN audit ON audit.seq = last.seq JOIN grants ON grants.id = audit.grant_id WHERE grants.task IS NOT NULL
"""
"""The last token of each task's grant among some records of the log."""


class _Issued(msgspec.Struct):
    """The part of an issuance's record that says when its token ends."""

    exp: int


_decode_issued: Final = msgspec.json.Decoder(_Issued).decode


async def open_tasks(
    tx: Transaction, after: tuple[int, str], limit: int, agent: tuple[str, str] | None
) -> Sequence[OpenTask]:
    """The first `limit` open tasks beyond the place `after` (end, grant), of all agents or of one (account, path)."""
    rows = await (tx.fetch(OPEN, *after, limit) if agent is None else tx.fetch(OPEN_OF_AGENT, *after, limit, *agent))
    return [_open(row) for row in rows]


async def read_up_to(tx: Transaction) -> int:
    """The number of the last audit record whose use is kept."""
    row = await tx.fetch_row("SELECT seq FROM task_uses_read")
    return 0 if row is None else row["seq"]


async def newest(tx: Transaction) -> int:
    """The number of the last audit record there is."""
    row = await tx.fetch_row("SELECT max(seq) AS seq FROM audit")
    return 0 if row is None or row["seq"] is None else row["seq"]


async def uses(tx: Transaction, after: int, until: int) -> Mapping[str, int]:
    """For each task's grant that a token was issued on in these records, when its last one ends."""
    return {row["grant_id"]: _decode_issued(row["detail"]).exp for row in await tx.fetch(ISSUED, after, until)}


async def keep_uses(tx: Transaction, ends: Mapping[str, int], until: int) -> None:
    """Keep what was read of the log up to a record; reading something twice changes nothing."""
    await tx.execute_many(
        "INSERT INTO task_uses (grant_id, ends_at) VALUES ($1, $2) "
        "ON CONFLICT (grant_id) DO UPDATE SET ends_at = excluded.ends_at WHERE excluded.ends_at > task_uses.ends_at",
        sorted(ends.items()),
    )
    await tx.execute("UPDATE task_uses_read SET seq = $1 WHERE seq < $1", until)


def _open(row: Row) -> OpenTask:
    return OpenTask(
        task=row["task"],
        agent=f"{row['account']}/{row['path']}",
        account=row["account"],
        grant=row["id"],
        owner=row["owner"],
        delegated=bool(row["delegated"]),
        state=State(row["worth"]),
        opened_at=row["created_at"],
        expires_at=row["expires_at"],
        last_token_ends_at=row["ends_at"],
    )
