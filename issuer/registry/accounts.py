"""Registering accounts and agents: any number in one transaction, each with its audit record."""

from collections import defaultdict
from collections.abc import Sequence

from issuer.audit.model import AuditRecord, Outcome
from issuer.audit.store import append_many
from issuer.changes import Change
from issuer.errors import ConflictError, NotFoundError, RetiredNameError
from issuer.registry.model import Account, Agent
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
        _refuse_reuse(f"account {name}", row.state)
    _refuse_repeats("account", [request.name for request in requests])
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
    await append_many(tx, (_account_record(change, account) for account in accounts))
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
        _refuse_reuse(f"agent {existing.name}", existing.state)
    _refuse_repeats("agent", list(map(str, names)))
    agents = [
        _agent(request, name, accounts[name.account].owner, change.now)
        for request, name in zip(requests, names, strict=True)
    ]
    by_depth: defaultdict[int, list[tuple[Agent, AgentName]]] = defaultdict(list)
    for agent, name in zip(agents, names, strict=True):
        by_depth[name.depth].append((agent, name))
    for depth in sorted(by_depth):
        await _insert_level(tx, by_depth[depth], accounts)
    await append_many(tx, (_agent_record(change, agent) for agent in agents))
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
    for name in names:
        if name not in found:
            raise NotFoundError(f"there is no agent {name}", hint="register it first")
        if found[name].effective is State.REVOKED:
            raise ConflictError(f"agent {name} is revoked", hint="register another one")
    return found


async def _living_accounts(tx: Transaction, names: set[str]) -> dict[str, AccountRow]:
    found = await find_accounts(tx, names)
    for name in names:
        if name not in found:
            raise NotFoundError(f"there is no account {name}", hint="register it first")
        if found[name].state is State.REVOKED:
            raise ConflictError(f"account {name} is revoked", hint="register another one")
    return found


def _refuse_reuse(what: str, state: State) -> None:
    if state is State.REVOKED:
        raise RetiredNameError(f"{what} was revoked", hint="names are never used again: choose another")
    raise ConflictError(f"{what} exists already")


def _refuse_repeats(noun: str, names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise ConflictError(f"{noun} {repeated} comes twice")


def _agent(request: NewAgent, name: AgentName, account_owner: str, now: int) -> Agent:
    return Agent(
        agent=request.agent,
        account=name.account,
        owner=request.owner or account_owner,
        description=request.description,
        state=State.ACTIVE,
        created_at=now,
    )


def _account_record(change: Change, account: Account) -> AuditRecord:
    return AuditRecord(
        at_ms=change.at_ms,
        kind="account.create",
        outcome=Outcome.ALLOWED,
        actor=change.operator.actor,
        account=account.name,
        detail={"owner": account.owner},
    )


def _agent_record(change: Change, agent: Agent) -> AuditRecord:
    return AuditRecord(
        at_ms=change.at_ms,
        kind="agent.create",
        outcome=Outcome.ALLOWED,
        actor=change.operator.actor,
        account=agent.account,
        agent=agent.agent,
        detail={"owner": agent.owner},
    )
