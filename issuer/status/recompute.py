"""Recomputing what the status lists say of every grant below something whose state changed.

The value of a grant's index follows from states alone (`issuer.registry.state.effective`, here as SQL, because an account may
have a hundred thousand grants): of the grant; of the grants that it was opened under or delegated from, up to the first; of
the persons on whose behalf any of these is; of its agent and that agent's ancestors; and of the account. So resuming restores
exactly what suspending took. A grant's parent is of the same agent or of an ancestor: no other agents count. Only the index that
a grant has now is recomputed: one that was revoked together with a token stays so. Below accounts and agents, grants that are over are left
as they are: one that is revoked itself says so for good, and no token is good that names one which expired. Agents open grants as they
like, one for each task; what they are done with must not hold up their end.
"""

from typing import Final

from issuer.registry.state import StatusValue
from issuer.status.model import Mark, StatusIndex
from issuer.storage import Row, Transaction, Value

_OVER_SECONDS: Final = 3600
"""So long after its end no token of a grant is taken any more, with any leeway that can be configured."""

_RANK: Final = "CASE WHEN 'revoked' IN ({0}) THEN 2 WHEN 'suspended' IN ({0}) THEN 1 ELSE 0 END"
_RECOMPUTE: Final = """
UPDATE status_indexes SET value = fresh.value FROM (
    WITH RECURSIVE {affected},
    carried (list, idx, agent_id, above, rank) AS (
        SELECT affected.list, affected.idx, affected.agent_id, grants.parent_id, {grant_rank}
        FROM affected JOIN grants ON grants.id = affected.id LEFT JOIN persons ON persons.id = grants.person_id
        WHERE affected.list IS NOT NULL
        UNION ALL
        SELECT carried.list, carried.idx, carried.agent_id, grants.parent_id, {grant_rank}
        FROM carried JOIN grants ON grants.id = carried.above LEFT JOIN persons ON persons.id = grants.person_id
    ),
    held (agent_id, above, rank) AS (
        SELECT agents.id, agents.parent_id, {holder_rank} FROM (SELECT DISTINCT agent_id FROM affected) AS holders
        JOIN agents ON agents.id = holders.agent_id JOIN accounts ON accounts.id = agents.account_id
        UNION ALL
        SELECT held.agent_id, agents.parent_id, {agent_rank}
        FROM held JOIN agents ON agents.id = held.above
    )
    SELECT own.list, own.idx,
        CASE WHEN 2 IN (own.rank, holder.rank) THEN 1 WHEN 1 IN (own.rank, holder.rank) THEN 2 ELSE 0 END AS value
    FROM (SELECT list, idx, agent_id, max(rank) AS rank FROM carried GROUP BY list, idx, agent_id) AS own
    JOIN (SELECT agent_id, max(rank) AS rank FROM held GROUP BY agent_id) AS holder ON holder.agent_id = own.agent_id
) AS fresh
WHERE status_indexes.list = fresh.list AND status_indexes.idx = fresh.idx AND status_indexes.value <> fresh.value
RETURNING status_indexes.list, status_indexes.idx, status_indexes.value
"""

_OF_AGENTS: Final = """
    tree (id) AS (
        SELECT id FROM agents WHERE {root} UNION ALL SELECT agents.id FROM agents JOIN tree ON agents.parent_id = tree.id
    ),
    affected (id, agent_id, list, idx) AS (
        SELECT grants.id, tree.id, grants.status_list, grants.status_index FROM tree JOIN grants ON grants.agent_id = tree.id
        WHERE grants.state <> 'revoked' AND (grants.expires_at IS NULL OR grants.expires_at > $2)
    )
"""
_WITH_THOSE_BELOW: Final = """
    affected (id, agent_id, list, idx) AS (
        SELECT id, agent_id, status_list, status_index FROM grants WHERE {root}
        UNION
        SELECT grants.id, grants.agent_id, grants.status_list, grants.status_index
        FROM affected JOIN grants ON grants.parent_id = affected.id
    )
"""


def _statement(affected: str, root: str) -> str:
    return _RECOMPUTE.format(
        affected=affected.format(root=root),
        grant_rank=_RANK.format("grants.state, coalesce(persons.state, 'active')"),
        holder_rank=_RANK.format("agents.state, accounts.state"),
        agent_rank=_RANK.format("agents.state"),
    )


BELOW_ACCOUNT: Final = _statement(_OF_AGENTS, "account_id = $1 AND parent_id IS NULL")
BELOW_AGENT: Final = _statement(_OF_AGENTS, "id = $1")
BELOW_GRANT: Final = _statement(_WITH_THOSE_BELOW, "id = $1")
OF_PERSON: Final = _statement(_WITH_THOSE_BELOW, "person_id = $1")
"""The statements, for those who look at their plans."""


async def below_account(tx: Transaction, account_id: int, now: int) -> list[Mark]:
    """Recompute every grant of the account that is not over at `now`; returns what changed."""
    return await _recompute(tx, BELOW_ACCOUNT, account_id, now - _OVER_SECONDS)


async def below_agent(tx: Transaction, agent_id: int, now: int) -> list[Mark]:
    """Recompute every grant of the agent and of its sub-agents that is not over at `now`; returns what changed."""
    return await _recompute(tx, BELOW_AGENT, agent_id, now - _OVER_SECONDS)


async def below_grant(tx: Transaction, grant_id: str) -> list[Mark]:
    """Recompute a grant and all that was opened under it or delegated from it; returns what changed."""
    return await _recompute(tx, BELOW_GRANT, grant_id)


async def of_person(tx: Transaction, person_id: int) -> list[Mark]:
    """Recompute every grant on behalf of a person, and all that is below one; returns what changed."""
    return await _recompute(tx, OF_PERSON, person_id)


async def retire_index(tx: Transaction, index: StatusIndex) -> list[Mark]:
    """Mark an index invalid for good, whatever happens to its grant; returns what changed."""
    changed = await tx.execute(
        "UPDATE status_indexes SET value = $3 WHERE list = $1 AND idx = $2 AND value <> $3",
        index.list,
        index.idx,
        StatusValue.INVALID,
    )
    return [Mark(index.list, index.idx, StatusValue.INVALID)] if changed else []


async def _recompute(tx: Transaction, statement: str, *args: Value) -> list[Mark]:
    return [_mark(row) for row in await tx.fetch(statement, *args)]


def _mark(row: Row) -> Mark:
    return Mark(row["list"], row["idx"], row["value"])
