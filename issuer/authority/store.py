"""Finding grants, and writing states: the SQL of stopping things."""

from typing import Final

import msgspec

from issuer.authority.model import MAX_LISTED, Kind
from issuer.authority.targets import HeldGrant
from issuer.registry.state import State
from issuer.status.model import StatusIndex
from issuer.storage import Row, Transaction, Value

_SELECT: Final = (
    "SELECT grants.id, grants.agent_id, accounts.name AS account, agents.path, grants.task, grants.state, "
    "grants.status_list, grants.status_index "
    "FROM grants JOIN agents ON agents.id = grants.agent_id JOIN accounts ON accounts.id = agents.account_id"
)

_SET_STATE: Final = {
    Kind.ACCOUNT: "UPDATE accounts SET state = $2, revision = revision + 1 WHERE id = $1",
    Kind.AGENT: "UPDATE agents SET state = $2, revision = revision + 1 WHERE id = $1",
    Kind.GRANT: "UPDATE grants SET state = $2, revision = revision + 1 WHERE id = $1",
    Kind.SIDECAR: "UPDATE sidecars SET state = $2, revision = revision + 1 WHERE id = $1",
    Kind.OPERATOR: "UPDATE operators SET state = $2 WHERE name = $1",
    Kind.PERSON: "UPDATE persons SET state = $2, revision = revision + 1 WHERE id = $1",
}

_BELOW_ACCOUNT: Final = (
    "FROM agents JOIN grants ON grants.agent_id = agents.id WHERE agents.account_id = $1 AND grants.state <> 'revoked'"
)
_BELOW_AGENT: Final = "FROM tree JOIN grants ON grants.agent_id = tree.id WHERE grants.state <> 'revoked'"
_TREE: Final = (
    "WITH RECURSIVE tree (id) AS (SELECT CAST($1 AS INTEGER) UNION ALL "
    "SELECT agents.id FROM agents JOIN tree ON agents.parent_id = tree.id) "
)
_CHAINS: Final = (
    "WITH RECURSIVE below (id) AS (SELECT id FROM grants WHERE {root} UNION "
    "SELECT grants.id FROM below JOIN grants ON grants.parent_id = below.id) "
)
_BELOW_CHAINS: Final = "FROM below JOIN grants ON grants.id = below.id WHERE grants.state <> 'revoked'"

BELOW: Final = {
    Kind.ACCOUNT: ("", _BELOW_ACCOUNT),
    Kind.AGENT: (_TREE, _BELOW_AGENT),
    Kind.GRANT: (_CHAINS.format(root="id = $1"), _BELOW_CHAINS),
    Kind.PERSON: (_CHAINS.format(root="person_id = $1"), _BELOW_CHAINS),
}
"""How the grants below something are found: what comes before SELECT, and after it."""


COMPLETE: Final = """
WITH RECURSIVE below (id) AS (
    SELECT id FROM grants WHERE id = $1 UNION SELECT grants.id FROM below JOIN grants ON grants.parent_id = below.id
)
UPDATE grants SET state = 'revoked', completed_at = $2, revision = revision + 1
WHERE id IN (SELECT id FROM below) AND state <> 'revoked' RETURNING id
"""
OF_SIDECAR: Final = """
WITH RECURSIVE above (id, parent_id) AS (
    SELECT id, parent_id FROM agents WHERE id = $2
    UNION ALL SELECT agents.id, agents.parent_id FROM agents JOIN above ON agents.id = above.parent_id
)
SELECT 1 FROM above JOIN entries ON entries.agent_id = above.id WHERE coalesce(entries.sidecar_id, 0) = $1 LIMIT 1
"""
"""By the entries of the agents, which are few: a sidecar may have thousands."""


OBTAINED: Final = "SELECT grant_id, detail FROM audit WHERE jti >= $1 AND actor = $2 AND outcome = 'allowed'"
"""The issuances since a time: a `jti` begins with the milliseconds, in twelve hex digits."""


class IssuedToken(msgspec.Struct, frozen=True):
    """What the audit log says of a token.

    Attributes:
        grant_id: the grant that it carries the authority of.
        index: the index that it names.
    """

    grant_id: str
    index: StatusIndex


class _IssuanceDetail(msgspec.Struct):
    status: tuple[int, int]


async def set_state(tx: Transaction, kind: Kind, key: Value, state: State) -> None:
    """Write a state; the revision grows, so that an issuance under way sees that something changed."""
    await tx.execute(_SET_STATE[kind], key, state.value)


async def complete(tx: Transaction, grant_id: str, now: int) -> int:
    """Revoke a task's grant and every grant below it, as complete; returns how many were not revoked before."""
    return len(await tx.fetch(COMPLETE, grant_id, now))


async def is_of_sidecar(tx: Transaction, sidecar_id: int, agent_id: int) -> bool:
    """Whether the agent, or one above it, has or had an entry under the sidecar."""
    return await tx.fetch_row(OF_SIDECAR, sidecar_id, agent_id) is not None


async def forget_key(tx: Transaction, sidecar_id: int, now: int) -> None:
    """Let a sidecar be as if it had never joined: neither its key nor a join token that was made for it is good any more."""
    await tx.execute(
        "UPDATE sidecars SET jkt = NULL, joined_at = NULL, revision = revision + 1 WHERE id = $1", sidecar_id
    )
    await tx.execute("UPDATE join_tokens SET used_at = $2 WHERE sidecar_id = $1 AND used_at IS NULL", sidecar_id, now)


async def tokens_of(tx: Transaction, actor: str, since_ms: int) -> list[IssuedToken]:
    """The tokens that `actor` obtained since that time, one for each grant and index."""
    rows = await tx.fetch(OBTAINED, f"{since_ms:012x}", actor)
    found = {(row["grant_id"], *msgspec.json.decode(row["detail"], type=_IssuanceDetail).status) for row in rows}
    return [IssuedToken(grant_id, StatusIndex(number, idx)) for grant_id, number, idx in sorted(found)]


async def end_sessions(tx: Transaction, sidecar_id: int) -> None:
    """End every session of a sidecar."""
    await tx.execute("DELETE FROM sidecar_sessions WHERE sidecar_id = $1", sidecar_id)


async def grant_by_id(tx: Transaction, grant_id: str) -> HeldGrant | None:
    """One grant, or None."""
    row = await tx.fetch_row(f"{_SELECT} WHERE grants.id = $1", grant_id)
    return None if row is None else _held(row)


async def grants_of_agent(tx: Transaction, agent_id: int, task: str) -> list[HeldGrant]:
    """The grants of one agent for a task: its own, those on behalf of persons, and those delegated to it."""
    rows = await tx.fetch(
        f"{_SELECT} WHERE grants.agent_id = $1 AND grants.task = $2 ORDER BY grants.id", agent_id, task
    )
    return [_held(row) for row in rows]


async def grants_of_task(tx: Transaction, task: str) -> list[HeldGrant]:
    """The grants for a task, of all agents."""
    return [_held(row) for row in await tx.fetch(f"{_SELECT} WHERE grants.task = $1 ORDER BY grants.id", task)]


async def grants_below(tx: Transaction, kind: Kind, key: int | str) -> tuple[tuple[str, ...], int]:
    """The first ids of the grants below something that are not revoked, and how many there are; a grant is below itself."""
    tree, below = BELOW[kind]
    # By time first: an order that some index had would make SQLite read all grants in that order.
    order = "ORDER BY grants.created_at, grants.id LIMIT $2"
    rows = await tx.fetch(f"{tree}SELECT grants.id {below} {order}", key, MAX_LISTED)
    count = await tx.fetch_row(f"{tree}SELECT count(*) AS n {below}", key)
    return tuple(row["id"] for row in rows), 0 if count is None else count["n"]


async def issued_token(tx: Transaction, jti: str) -> IssuedToken | None:
    """The token that was issued by this `jti`, or None."""
    row = await tx.fetch_row("SELECT grant_id, detail FROM audit WHERE jti = $1", jti)
    if row is None or row["grant_id"] is None:
        return None
    number, idx = msgspec.json.decode(row["detail"], type=_IssuanceDetail).status
    return IssuedToken(row["grant_id"], StatusIndex(number, idx))


def _held(row: Row) -> HeldGrant:
    index = None if row["status_list"] is None else StatusIndex(row["status_list"], row["status_index"])
    return HeldGrant(
        id=row["id"],
        agent_id=row["agent_id"],
        account=row["account"],
        agent=f"{row['account']}/{row['path']}",
        task=row["task"],
        state=State(row["state"]),
        index=index,
    )
