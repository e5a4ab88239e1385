"""Grants in the database."""

from collections.abc import Iterable, Mapping

import msgspec

from issuer.registry.model import Grant, Page
from issuer.registry.state import State
from issuer.registry.store.agents import AgentRow
from issuer.storage import Row, Transaction
from issuer.storage.statements import filtered, in_list
from remit.ids import AgentName

# What a grant is worth is what its index says, without an index (until a fresh one is drawn) what its own state says.
_SELECT = (
    "SELECT grants.*, accounts.name AS account, agents.path AS path, CASE status_indexes.value "
    "WHEN 0 THEN 'active' WHEN 1 THEN 'revoked' WHEN 2 THEN 'suspended' ELSE grants.state END AS effective "
    "FROM grants JOIN agents ON agents.id = grants.agent_id JOIN accounts ON accounts.id = agents.account_id "
    "LEFT JOIN status_indexes ON status_indexes.list = grants.status_list AND status_indexes.idx = grants.status_index"
)


class GrantKeys(msgspec.Struct, frozen=True):
    """What a new grant hangs on.

    Attributes:
        agent_id: the key of its agent.
        parent_id: the grant that it was opened under or delegated from, or None.
        person_id: the key of the person on whose behalf it is, or None.
    """

    agent_id: int
    parent_id: str | None = None
    person_id: int | None = None


async def insert_grants(tx: Transaction, grants: Iterable[tuple[Grant, GrantKeys]]) -> None:
    """Write new grants, each with what it hangs on; indexes are assigned after."""
    await tx.execute_many(
        "INSERT INTO grants (id, agent_id, parent_id, delegated, person_id, task, scope, funding, owner, expires_at, "
        "status_list, status_index, state, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        (
            (
                new.id,
                keys.agent_id,
                keys.parent_id,
                int(new.delegated),
                keys.person_id,
                new.task,
                bytes(new.scope).decode(),
                new.funding,
                new.owner,
                new.expires_at,
                new.status_list,
                new.status_index,
                new.state,
                new.created_at,
            )
            for new, keys in grants
        ),
    )


async def existing_grants(tx: Transaction, agent_ids: Iterable[int]) -> dict[tuple[int, str | None], State]:
    """The states of these agents' own grants by agent and task; a revoked standing grant is as good as none."""
    wanted = sorted(set(agent_ids))
    own = "SELECT agent_id, task, state FROM grants WHERE delegated = 0 AND person_id IS NULL AND"
    tasks = in_list(f"{own} task IS NOT NULL AND agent_id IN", 1, len(wanted))
    standing = in_list(f"{own} task IS NULL AND state <> 'revoked' AND agent_id IN", 1, len(wanted))
    rows = await tx.fetch(f"{tasks} UNION ALL {standing}", *wanted)
    return {(row["agent_id"], row["task"]): State(row["state"]) for row in rows}


async def standing_scopes(tx: Transaction, agents: Mapping[AgentName, AgentRow]) -> dict[AgentName, str]:
    """The spend scopes, JSON text, of these agents' standing grants that are not revoked, by the agents' names."""
    names = {row.id: name for name, row in agents.items()}
    sql = in_list(
        "SELECT agent_id, scope FROM grants WHERE delegated = 0 AND person_id IS NULL AND task IS NULL "
        "AND state <> 'revoked' AND agent_id IN",
        1,
        len(names),
    )
    rows = await tx.fetch(sql, *names) if names else []
    return {names[row["agent_id"]]: row["scope"] for row in rows}


async def read_grant(tx: Transaction, grant_id: str) -> Grant | None:
    """One grant, or None."""
    row = await tx.fetch_row(f"{_SELECT} WHERE grants.id = $1", grant_id)
    return None if row is None else _grant(row)


async def list_grants(
    tx: Transaction, page: Page, *, account: str | None, agent: tuple[str, str] | None, task: str | None
) -> list[Grant]:
    """A page of grants, oldest first; of one account, agent (account, path) or task if given."""
    account_name, path = agent or (None, None)
    sql, args = filtered(
        f"{_SELECT} WHERE grants.id > $1",
        (page.after, page.limit),
        [
            ("accounts.name", account),
            ("accounts.name", account_name),
            ("agents.path", path),
            ("grants.task", task),
        ],
        "ORDER BY grants.id LIMIT $2",
    )
    return [_grant(row) for row in await tx.fetch(sql, *args)]


def _grant(row: Row) -> Grant:
    return Grant(
        id=row["id"],
        agent=f"{row['account']}/{row['path']}",
        account=row["account"],
        parent=row["parent_id"],
        delegated=bool(row["delegated"]),
        on_behalf=row["person_id"] is not None,
        task=row["task"],
        scope=msgspec.Raw(row["scope"]),
        funding=row["funding"],
        owner=row["owner"],
        expires_at=row["expires_at"],
        status_list=row["status_list"],
        status_index=row["status_index"],
        state=State(row["state"]),
        effective=State(row["effective"]),
        created_at=row["created_at"],
    )
