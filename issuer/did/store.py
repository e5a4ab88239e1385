"""The SQL of DID documents: is there such a subject, and is any of it revoked."""

from collections.abc import Sequence

from issuer.registry.state import State
from issuer.storage import Transaction
from remit.ids import AgentName

_AGENT = (
    "SELECT agents.path, agents.state, accounts.state AS account_state FROM agents "
    "JOIN accounts ON accounts.id = agents.account_id WHERE accounts.name = $1 AND agents.path = $2"
)


async def account_states(tx: Transaction, account: str) -> Sequence[State]:
    """The state of an account; empty when there is none."""
    row = await tx.fetch_row("SELECT state FROM accounts WHERE name = $1", account)
    return [] if row is None else [State(row["state"])]


async def agent_states(tx: Transaction, agent: AgentName) -> Sequence[State]:
    """The states of an agent, its ancestors and its account; empty when there is no such agent."""
    states: list[State] = []
    above: AgentName | None = agent
    while above is not None:
        row = await tx.fetch_row(_AGENT, above.account, above.path)
        if row is None:
            return []
        states += [State(row["state"]), State(row["account_state"])]
        above = above.parent
    return states
