"""Agents in the database."""

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from issuer.errors import NotFoundError
from issuer.registry.model import Agent, Page
from issuer.registry.state import State, effective
from issuer.registry.store.chain import states_above
from issuer.storage import Row, Transaction
from issuer.storage.statements import filtered, in_list
from remit.ids import AgentName

_SELECT = "SELECT agents.*, accounts.name AS account FROM agents JOIN accounts ON accounts.id = agents.account_id"
_FIND = (
    "SELECT agents.id, agents.path, agents.parent_id, agents.owner, agents.state, accounts.state AS above "
    "FROM accounts JOIN agents ON agents.account_id = accounts.id WHERE accounts.name = $1 AND agents.path IN"
)


class AgentRow(msgspec.Struct, frozen=True):
    """What others need of an agent: its key, and what it lends to what is below it.

    Attributes:
        id: its key.
        name: its full name.
        owner: who is accountable for it.
        state: its own state.
        effective: what it is worth, given everything above it.
    """

    id: int
    name: AgentName
    owner: str
    state: State
    effective: State


async def insert_agents(tx: Transaction, agents: Iterable[tuple[Agent, int, int | None]]) -> None:
    """Write new agents, each with the keys of its account and of its parent agent."""
    await tx.execute_many(
        "INSERT INTO agents (account_id, parent_id, path, owner, description, parent_asserted, state, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        (
            (
                account_id,
                parent_id,
                _path(new),
                new.owner,
                new.description,
                int(new.parent_asserted),
                new.state,
                new.created_at,
            )
            for new, account_id, parent_id in agents
        ),
    )


async def find_agents(tx: Transaction, names: Iterable[AgentName]) -> dict[AgentName, AgentRow]:
    """The agents by these names, as far as they exist."""
    by_account: defaultdict[str, dict[str, AgentName]] = defaultdict(dict)
    for name in names:
        by_account[name.account][name.path] = name
    found: dict[AgentName, AgentRow] = {}
    for account, by_path in by_account.items():
        for row in await tx.fetch(in_list(_FIND, 2, len(by_path)), account, *by_path):
            name = by_path[row["path"]]
            found[name] = await _agent_row(tx, name, row)
    return found


async def owner_of(tx: Transaction, agent_id: int) -> tuple[int, str]:
    """The key of an agent's account, and who is accountable for the agent.

    Raises:
        NotFoundError: there is no such agent.
    """
    row = await tx.fetch_row("SELECT account_id, owner FROM agents WHERE id = $1", agent_id)
    if row is None:
        raise NotFoundError("there is no such agent")
    return row["account_id"], row["owner"]


async def read_agent(tx: Transaction, name: AgentName) -> Agent | None:
    """One agent, or None."""
    row = await tx.fetch_row(f"{_SELECT} WHERE accounts.name = $1 AND agents.path = $2", name.account, name.path)
    return None if row is None else _agent(row)


async def list_agents(tx: Transaction, page: Page, account: str | None) -> list[Agent]:
    """A page of agents, grouped by account and by name within it; all accounts' or one's. The cursor is an agent's name."""
    sql, args = filtered(
        f"{_SELECT} WHERE (agents.account_id, agents.path) > ($1, $2)",
        (*await _position(tx, page.after), page.limit),
        [("accounts.name", account)],
        "ORDER BY agents.account_id, agents.path LIMIT $3",
    )
    return [_agent(row) for row in await tx.fetch(sql, *args)]


async def _position(tx: Transaction, after: str) -> tuple[int, str]:
    account, _, path = after.partition("/")
    row = await tx.fetch_row("SELECT id FROM accounts WHERE name = $1", account)
    return (0, "") if row is None else (row["id"], path)


async def _agent_row(tx: Transaction, name: AgentName, row: Row) -> AgentRow:
    state = State(row["state"])
    above = [State(row["above"])] if row["parent_id"] is None else await states_above(tx, row["id"])
    return AgentRow(row["id"], name, row["owner"], state, effective([state, *above]))


def _agent(row: Row) -> Agent:
    return Agent(
        agent=f"{row['account']}/{row['path']}",
        account=row["account"],
        owner=row["owner"],
        description=row["description"],
        parent_asserted=bool(row["parent_asserted"]),
        state=State(row["state"]),
        created_at=row["created_at"],
    )


def _path(agent: Agent) -> str:
    return agent.agent.partition("/")[2]
