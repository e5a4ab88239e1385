"""Agents' keys in the database. Rows are never deleted: a key stays its subject's, and its history tells of it."""

from typing import Final

import msgspec

from issuer.registry.model import Page
from issuer.storage import Row, Transaction
from issuer.storage.statements import filtered
from issuer.subjectkeys.model import KeyState, Registration, SubjectKey

_SELECT: Final = (
    "SELECT subject_keys.*, accounts.name AS account, agents.path AS path, sidecars.name AS sidecar FROM subject_keys "
    "JOIN agents ON agents.id = subject_keys.agent_id JOIN accounts ON accounts.id = agents.account_id "
    "LEFT JOIN sidecars ON sidecars.id = subject_keys.sidecar_id"
)


_AFTER: Final = "coalesce((SELECT id FROM subject_keys WHERE jkt = $1), 0)"


async def find_key(tx: Transaction, jkt: str) -> SubjectKey | None:
    """The key of this thumbprint, whatever its state, or None."""
    row = await tx.fetch_row(f"{_SELECT} WHERE subject_keys.jkt = $1", jkt)
    return None if row is None else _key(row)


async def is_taken(tx: Transaction, jkt: str) -> bool:
    """Whether any subject, an account too, has or had the key of this thumbprint."""
    return await tx.fetch_row("SELECT 1 AS one FROM subject_keys WHERE jkt = $1", jkt) is not None


async def keys_of_agent(tx: Transaction, agent_id: int) -> list[SubjectKey]:
    """Every key that the agent ever had, with states and times, the oldest first."""
    rows = await tx.fetch(f"{_SELECT} WHERE subject_keys.agent_id = $1 ORDER BY subject_keys.id", agent_id)
    return [_key(row) for row in rows]


async def keys_held_by(tx: Transaction, sidecar_id: int) -> list[SubjectKey]:
    """The active keys that a sidecar holds."""
    rows = await tx.fetch(f"{_SELECT} WHERE subject_keys.sidecar_id = $1 AND subject_keys.state = 'active'", sidecar_id)
    return [_key(row) for row in rows]


async def list_keys(
    tx: Transaction, page: Page, *, account: str | None, agent: tuple[str, str] | None
) -> list[SubjectKey]:
    """A page of keys, the oldest first; of one account or agent (account, path) if given. The cursor is a thumbprint."""
    account_name, path = agent or (None, None)
    sql, args = filtered(
        f"{_SELECT} WHERE subject_keys.id > {_AFTER}",
        (page.after, page.limit),
        [("accounts.name", account), ("accounts.name", account_name), ("agents.path", path)],
        "ORDER BY subject_keys.id LIMIT $2",
    )
    return [_key(row) for row in await tx.fetch(sql, *args)]


async def registered_since(tx: Transaction, agent_id: int, since: int) -> int:
    """How many keys were registered for the agent after that second."""
    row = await tx.fetch_row(
        "SELECT count(*) AS keys FROM subject_keys WHERE agent_id = $1 AND created_at > $2", agent_id, since
    )
    return 0 if row is None else int(row["keys"])


async def insert_key(tx: Transaction, wanted: Registration, agent_id: int, sidecar_id: int | None, now: int) -> None:
    """Write a new active key; `sidecar_id` is the sidecar that holds it, if one does."""
    await tx.execute(
        "INSERT INTO subject_keys (jkt, agent_id, sidecar_id, jwk, created_at) VALUES ($1, $2, $3, $4, $5)",
        wanted.jkt,
        agent_id,
        sidecar_id,
        msgspec.json.encode(wanted.jwk).decode(),
        now,
    )


async def end_key(tx: Transaction, jkt: str, state: KeyState, now: int) -> None:
    """Retire or revoke a key; what rests on it is void."""
    await tx.execute(
        "UPDATE subject_keys SET state = $2, revision = revision + 1, retired_at = coalesce(retired_at, $3) WHERE jkt = $1",
        jkt,
        state,
        now,
    )


def _key(row: Row) -> SubjectKey:
    return SubjectKey(
        jkt=row["jkt"],
        subject=f"{row['account']}/{row['path']}",
        held_by="agent" if row["sidecar_id"] is None else "sidecar",
        sidecar=row["sidecar"],
        jwk=msgspec.json.decode(row["jwk"], type=dict[str, str]),
        state=KeyState(row["state"]),
        created_at=row["created_at"],
        retired_at=row["retired_at"],
    )
