"""Recomputing what the status lists say of every grant below something whose state changed.

The value of a grant's index follows from states alone: of the grant, of the grant it was opened under, of its agent, of
that agent's ancestors and of the account (`issuer.registry.state.effective`, here as SQL, because an account may
have a hundred thousand grants). So resuming restores exactly what suspending took. Only the index that a grant has now
is recomputed: one that was revoked together with a token stays so.
"""

from typing import Final

from issuer.registry.state import State, effective
from issuer.registry.store.chain import states_above
from issuer.status.model import StatusIndex
from issuer.storage import Transaction

_WORST: Final = (
    "CASE WHEN 'revoked' IN ({0}) THEN 'revoked' WHEN 'suspended' IN ({0}) THEN 'suspended' ELSE 'active' END"
)
_VALUE: Final = "CASE WHEN 'revoked' IN ({0}) THEN 1 WHEN 'suspended' IN ({0}) THEN 2 ELSE 0 END"
_RECOMPUTE: Final = """
UPDATE status_indexes SET value = fresh.value FROM (
    WITH RECURSIVE tree (agent_id, worst) AS (
        SELECT id, {root_worst} FROM agents WHERE {root}
        UNION ALL
        SELECT agents.id, {child_worst} FROM agents JOIN tree ON agents.parent_id = tree.agent_id
    )
    SELECT grants.status_list AS list, grants.status_index AS idx, {value} AS value
    FROM tree JOIN grants ON grants.agent_id = tree.agent_id LEFT JOIN grants AS opener ON opener.id = grants.parent_id
    WHERE grants.status_list IS NOT NULL{some_grants}
) AS fresh
WHERE status_indexes.list = fresh.list AND status_indexes.idx = fresh.idx AND status_indexes.value <> fresh.value
"""


def _statement(root: str, some_grants: str = "") -> str:
    return _RECOMPUTE.format(
        root=root,
        root_worst=_WORST.format("$2, agents.state"),
        child_worst=_WORST.format("tree.worst, agents.state"),
        value=_VALUE.format("tree.worst, grants.state, coalesce(opener.state, 'active')"),
        some_grants=some_grants,
    )


_BELOW_ACCOUNT: Final = _statement("account_id = $1 AND parent_id IS NULL")
_BELOW_AGENT: Final = _statement("id = $1")
_BELOW_GRANT: Final = _statement("id = $1", " AND (grants.id = $3 OR grants.parent_id = $3)")


async def below_account(tx: Transaction, account_id: int, state: State) -> int:
    """Recompute every grant of the account, which is now in `state`; returns how many values changed."""
    return await tx.execute(_BELOW_ACCOUNT, account_id, state.value)


async def below_agent(tx: Transaction, agent_id: int) -> int:
    """Recompute every grant of the agent and of its sub-agents; returns how many values changed."""
    return await tx.execute(_BELOW_AGENT, agent_id, effective(await states_above(tx, agent_id)).value)


async def below_grant(tx: Transaction, grant_id: str, agent_id: int) -> int:
    """Recompute a grant of the agent, and those opened under it; returns how many values changed."""
    above = effective(await states_above(tx, agent_id)).value
    return await tx.execute(_BELOW_GRANT, agent_id, above, grant_id)


async def retire_index(tx: Transaction, index: StatusIndex) -> int:
    """Mark an index invalid for good, whatever happens to its grant; returns how many values changed."""
    return await tx.execute(
        "UPDATE status_indexes SET value = 1 WHERE list = $1 AND idx = $2 AND value <> 1", index.list, index.idx
    )
