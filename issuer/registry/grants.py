"""Registering grants: each gets its own index in a status list, which says from the first moment what it is worth."""

from collections.abc import Sequence

import msgspec

from issuer.audit.model import AuditRecord
from issuer.audit.store import append_many
from issuer.changes import Change
from issuer.errors import ConflictError, RetiredNameError
from issuer.registry.accounts import living_agents
from issuer.registry.ceilings import agents_above, within
from issuer.registry.identifiers import new_grant_id
from issuer.registry.model import Grant
from issuer.registry.requests import NewGrant, parse_agent
from issuer.registry.state import State, status_value
from issuer.registry.store.agents import AgentRow, find_agents
from issuer.registry.store.grants import GrantKeys, existing_grants, insert_grants, standing_scopes
from issuer.status.allocation import assign, draw
from issuer.status.model import Mark, StatusChange, StatusIndex
from issuer.status.store import advance
from issuer.storage import Transaction
from remit.ids import AgentName


async def register_grants(tx: Transaction, change: Change, requests: Sequence[NewGrant]) -> list[Grant]:
    """Register grants.

    Raises:
        NotFoundError: an agent is not there.
        ConflictError: an agent is revoked, or has a standing grant, or one for this task, already.
        RetiredNameError: the agent's grant for this task was revoked; it is never opened again.
        ScopeRefusedError: a sub-agent would have more than an agent above it has now.
    """
    names = [parse_agent(request.agent) for request in requests]
    agents = await living_agents(tx, set(names))
    await _check_ceilings(tx, requests)
    existing = await existing_grants(tx, (agent.id for agent in agents.values()))
    for name, request in zip(names, requests, strict=True):
        key = (agents[name].id, request.task)
        _refuse_second(name, request.task, existing.get(key))
        existing[key] = State.ACTIVE
    indexes = await draw(tx, len(requests), change.now)
    grants = [
        _grant(request, agents[name], index, change.now)
        for name, request, index in zip(names, requests, indexes, strict=True)
    ]
    await insert_grants(tx, [(grant, GrantKeys(agents[name].id)) for name, grant in zip(names, grants, strict=True)])
    await assign(
        tx,
        [(index, grant.id, status_value(grant.effective)) for index, grant in zip(indexes, grants, strict=True)],
    )
    await append_many(tx, (_record(change, grant) for grant in grants))
    await advance(tx, _status_change(change, grants, indexes))
    return grants


async def _check_ceilings(tx: Transaction, requests: Sequence[NewGrant]) -> None:
    """Refuse early what would not be issued on: more for a sub-agent than the agents above have, or get with the same requests."""
    asked = [(parse_agent(request.agent), request) for request in requests]
    above = {name for agent, _ in asked for name in agents_above(agent)}
    if not above:
        return
    scopes = await standing_scopes(tx, await find_agents(tx, above))
    scopes |= {name: request.spend_scope.encode().decode() for name, request in asked if request.task is None}
    for name, request in asked:
        within(request.spend_scope, tuple((str(one), scopes[one]) for one in agents_above(name) if one in scopes))


def _refuse_second(agent: AgentName, task: str | None, existing: State | None) -> None:
    if existing is None:
        return
    if task is None:
        raise ConflictError(f"agent {agent} has a standing grant already", hint="revoke that one first")
    if existing is State.REVOKED:
        raise RetiredNameError(
            f"the grant of agent {agent} for task {task} was revoked", hint="it is never opened again: use another task"
        )
    raise ConflictError(f"agent {agent} has a grant for task {task} already")


def _grant(request: NewGrant, agent: AgentRow, index: StatusIndex, now: int) -> Grant:
    lifetime = request.expires_in_seconds
    return Grant(
        id=new_grant_id(now),
        agent=request.agent,
        account=agent.name.account,
        task=request.task,
        scope=msgspec.Raw(request.spend_scope.encode()),
        funding=request.funding,
        owner=request.owner or agent.owner,
        expires_at=None if lifetime is None else now + lifetime,
        status_list=index.list,
        status_index=index.idx,
        state=State.ACTIVE,
        effective=agent.effective,
        created_at=now,
    )


def _status_change(change: Change, grants: Sequence[Grant], indexes: Sequence[StatusIndex]) -> StatusChange:
    """What the status lists have to say: nothing, but of a grant that is below something suspended."""
    marks = [
        Mark(index.list, index.idx, status_value(grant.effective))
        for index, grant in zip(indexes, grants, strict=True)
        if grant.effective is not State.ACTIVE
    ]
    what = f"grant {grants[0].id}" if len(grants) == 1 else f"{len(grants)} grants"
    accounts = {grant.account for grant in grants}
    account = accounts.pop() if len(accounts) == 1 else None
    return StatusChange(verb="create", what=what, account=account, marks=marks, requested_at_ms=change.at_ms)


def _record(change: Change, grant: Grant) -> AuditRecord:
    detail: dict[str, object] = {
        "task": grant.task,
        "scope": grant.scope,
        "funding": grant.funding,
        "expires_at": grant.expires_at,
    }
    return change.record("grant.create", detail, account=grant.account, agent=grant.agent, grant_id=grant.id)
