"""Registering accounts and agents: any number in one transaction, each with its audit record."""

from collections import defaultdict
from collections.abc import Sequence

from issuer.audit.store import append_many
from issuer.changes import Change
from issuer.registry.model import Account, Agent
from issuer.registry.names import refuse_repeats, refuse_reuse, require_living
from issuer.registry.requests import NewAccount, NewAgent, parse_agent
from issuer.registry.state import State
from issuer.registry.store.accounts import AccountRow, find_accounts, insert_accounts
from issuer.registry.store.agents import AgentRow, find_agents, insert_agents
from issuer.storage import Transaction
from remit.ids import AgentName


async def register_accounts(tx: Transaction, change: Change, requests: Sequence[NewAccount]) -> list[Account]:
    """Register accounts.

    Raises:
        ConflictError: one exists already, or comes twice.
        RetiredNameError: one has the name of a revoked account.
    """
    existing = await find_accounts(tx, (request.name for request in requests))
    for name, row in existing.items():
        refuse_reuse(f"account {name}", row.state)
    refuse_repeats("account", [request.name for request in requests])
    accounts = [
        Account(
            name=request.name,
            owner=request.owner,
            contact=request.contact,
            state=State.ACTIVE,
            created_at=change.now,
        )
        for request in requests
    ]
    await insert_accounts(tx, accounts)
    await append_many(tx, (change.record("account.create", {"owner": one.owner}, account=one.name) for one in accounts))
    return accounts


async def register_agents(tx: Transaction, change: Change, requests: Sequence[NewAgent]) -> list[Agent]:
    """Register agents; an agent may come together with its sub-agents.

    Raises:
        NotFoundError: an account, or the agent above a sub-agent, is not there.
        ConflictError: an agent exists already, comes twice, or what is above it is revoked.
        RetiredNameError: an agent has the name of a revoked one.
    """
    names = [parse_agent(request.agent) for request in requests]
    accounts = await _living_accounts(tx, {name.account for name in names})
    for existing in (await find_agents(tx, names)).values():
        refuse_reuse(f"agent {existing.name}", existing.state)
    refuse_repeats("agent", list(map(str, names)))
    agents = [
        _agent(request, name, accounts[name.account].owner, change.now)
        for request, name in zip(requests, names, strict=True)
    ]
    by_depth: defaultdict[int, list[tuple[Agent, AgentName]]] = defaultdict(list)
    for agent, name in zip(agents, names, strict=True):
        by_depth[name.depth].append((agent, name))
    for depth in sorted(by_depth):
        await _insert_level(tx, by_depth[depth], accounts)
    await append_many(
        tx,
        (change.record("agent.create", {"owner": one.owner}, account=one.account, agent=one.agent) for one in agents),
    )
    return agents


async def _insert_level(
    tx: Transaction, level: Sequence[tuple[Agent, AgentName]], accounts: dict[str, AccountRow]
) -> None:
    """Write agents that have the same number of agents above them, which are all there by now."""
    parents = await living_agents(tx, {name.parent for _, name in level if name.parent is not None})
    rows = [
        (agent, accounts[name.account].id, None if name.parent is None else parents[name.parent].id)
        for agent, name in level
    ]
    await insert_agents(tx, rows)


async def living_agents(tx: Transaction, names: set[AgentName]) -> dict[AgentName, AgentRow]:
    """Find agents that something may be registered under.

    Raises:
        NotFoundError: one is not there.
        ConflictError: one is revoked, or something above it is.
    """
    found = await find_agents(tx, names)
    states = {name: row.effective for name, row in found.items()}
    require_living("agent", names, states, missing="register it first")
    return found


async def _living_accounts(tx: Transaction, names: set[str]) -> dict[str, AccountRow]:
    found = await find_accounts(tx, names)
    states = {name: row.state for name, row in found.items()}
    require_living("account", names, states, missing="register it first")
    return found


def _agent(request: NewAgent, name: AgentName, account_owner: str, now: int) -> Agent:
    return Agent(
        agent=request.agent,
        account=name.account,
        owner=request.owner or account_owner,
        description=request.description,
        state=State.ACTIVE,
        created_at=now,
    )
