"""Reading the states above an agent: what its authority hangs on."""

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
