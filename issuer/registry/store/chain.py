"""Reading the states above an agent or a grant: what its authority hangs on."""

from collections.abc import Sequence

from issuer.registry.state import State
from issuer.storage import Transaction


async def states_above(tx: Transaction, agent_id: int) -> Sequence[State]:
    """The states of the account and of the agents above this one, its own not included."""
    rows = await tx.fetch(
        "WITH RECURSIVE chain (id, parent_id) AS ("
        "SELECT id, parent_id FROM agents WHERE id = $1 "
        "UNION ALL SELECT agents.id, agents.parent_id FROM agents JOIN chain ON agents.id = chain.parent_id) "
        "SELECT agents.state FROM agents JOIN chain ON chain.id = agents.id WHERE agents.id <> $1 "
        "UNION ALL SELECT accounts.state FROM accounts JOIN agents ON agents.account_id = accounts.id WHERE agents.id = $1",
        agent_id,
    )
    return [State(row["state"]) for row in rows]


async def states_to(tx: Transaction, agent_id: int) -> Sequence[State]:
    """The states of the account, of the agents above this one, and its own."""
    own = await tx.fetch_row("SELECT state FROM agents WHERE id = $1", agent_id)
    return [*await states_above(tx, agent_id), *([State(own["state"])] if own is not None else [State.REVOKED])]


async def states_above_grant(tx: Transaction, grant_id: str) -> Sequence[State]:
    """The states of the grants that this one was opened under or delegated from, up to the first, and of all their persons and its own.

    Its own state is not included, nor are those of agents: of these, `states_to` its agent says all.
    """
    rows = await tx.fetch(
        "WITH RECURSIVE chain (id, parent_id, person_id, state) AS ("
        "SELECT id, parent_id, person_id, state FROM grants WHERE id = $1 "
        "UNION ALL SELECT grants.id, grants.parent_id, grants.person_id, grants.state "
        "FROM grants JOIN chain ON grants.id = chain.parent_id) "
        "SELECT state FROM chain WHERE id <> $1 "
        "UNION ALL SELECT persons.state FROM persons JOIN chain ON persons.id = chain.person_id",
        grant_id,
    )
    return [State(row["state"]) for row in rows]
