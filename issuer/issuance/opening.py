"""Opening what a decision needs first: a grant (for a task, a person or a sub-agent) that is asked for the first time, or an index.

Guarded like a record: nothing is opened on authority that changed since it was read. An index is drawn and bound to its grant in
one transaction, before any token names it, so that no two grants ever share one, whenever the issuer dies. A sub-agent and the
person are made together with the grant, or not at all.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from issuer.audit.model import AuditRecord, Outcome
from issuer.audit.store import append
from issuer.issuance import store
from issuer.issuance.chain import earliest
from issuer.issuance.delegation import has_place
from issuer.issuance.model import HeldGrant, Opening, PlannedGrant
from issuer.persons.store import ensure_person
from issuer.registry.identifiers import new_grant_id
from issuer.registry.model import Agent, Grant
from issuer.registry.state import State, StatusValue
from issuer.registry.store.agents import insert_agents, owner_of
from issuer.registry.store.grants import GrantKeys, insert_grants
from issuer.status import allocation
from issuer.storage import Transaction


class TaskTerms(Struct, frozen=True):
    """What bounds the grants that are opened for tasks.

    Attributes:
        now_ms: milliseconds since the epoch.
        ttl_seconds: how long each lives.
        max_open: most of one agent that are open at the same time.
    """

    now_ms: int
    ttl_seconds: int
    max_open: int

    @property
    def now(self) -> int:
        """Unix seconds."""
        return self.now_ms // 1000


async def open_all(tx: Transaction, openings: Sequence[Opening], terms: TaskTerms) -> None:
    """Open each of `openings` that still rests on what was read; the others are left to a new decision."""
    for opening in {_key(opening): opening for opening in openings}.values():
        if await store.changed(tx, opening.rests_on):
            continue
        if opening.planned is None:
            await allocation.renew(tx, opening.under.id, StatusValue.VALID, terms.now)
        else:
            await _open(tx, opening, opening.planned, terms)


async def _open(tx: Transaction, opening: Opening, planned: PlannedGrant, terms: TaskTerms) -> None:
    """Open one grant, unless others of the same batch left no room for it, or opened it."""
    agent_id: int | None = opening.under.agent_id
    if planned.delegated:
        agent_id = await _sub_agent(tx, opening, terms)
    person_id = opening.under.person_id
    if person_id is None and planned.person is not None:
        person = await ensure_person(tx, planned.person, terms.now)
        person_id = person.id
        if person.state is not State.ACTIVE:
            return
    if agent_id is None or await _is_there(tx, opening.under, planned, agent_id, person_id):
        return
    if planned.task is not None and await store.open_tasks(tx, agent_id, terms.now) >= terms.max_open:
        return
    await _write(tx, opening, planned, GrantKeys(agent_id, opening.under.id, person_id), terms)


async def _sub_agent(tx: Transaction, opening: Opening, terms: TaskTerms) -> int | None:
    """The key of the sub-agent, which is made if there is none.

    None leaves it to a new decision: the parent has too many, or somebody made it since this one, in whatever state it is.
    """
    parent_id = opening.under.agent_id
    account, _, path = opening.agent.partition("/")
    known = await store.sub_agent(tx, parent_id, path)
    if known is not None:
        return known if any(link.table == "agents" and link.id == known for link in opening.rests_on) else None
    if not has_place(await store.living_sub_agents(tx, parent_id, path)):
        return None
    account_id, owner = await owner_of(tx, parent_id)
    agent = Agent(
        agent=opening.agent,
        account=account,
        owner=owner,
        description=None,
        parent_asserted=True,
        state=State.ACTIVE,
        created_at=terms.now,
    )
    await insert_agents(tx, [(agent, account_id, parent_id)])
    await append(tx, _audit(opening, "agent.create", terms, {"owner": owner, "parent_asserted": True}))
    return await store.sub_agent(tx, parent_id, path)


async def _is_there(
    tx: Transaction, under: HeldGrant, planned: PlannedGrant, agent_id: int, person_id: int | None
) -> bool:
    if planned.delegated:
        return await store.delegated_grant(tx, agent_id, under, planned.task) is not None
    if planned.task is not None:
        return await store.task_is_over(tx, agent_id, planned.task) or (
            await store.task_grant(tx, agent_id, planned.task, person_id) is not None
        )
    return person_id is not None and await store.person_grant(tx, person_id, under) is not None


async def _write(tx: Transaction, opening: Opening, planned: PlannedGrant, keys: GrantKeys, terms: TaskTerms) -> None:
    now, under = terms.now, opening.under
    (index,) = await allocation.draw(tx, 1, now)
    grant = Grant(
        id=new_grant_id(now),
        agent=opening.agent,
        account=opening.agent.partition("/")[0],
        parent=under.id,
        delegated=planned.delegated,
        on_behalf=keys.person_id is not None,
        task=planned.task,
        scope=msgspec.Raw(planned.scope),
        funding=planned.funding,
        owner=under.owner,
        expires_at=_end(opening, planned, terms),
        status_list=index.list,
        status_index=index.idx,
        state=State.ACTIVE,
        effective=State.ACTIVE,
        created_at=now,
    )
    await insert_grants(tx, [(grant, keys)])
    await allocation.assign(tx, [(index, grant.id, StatusValue.VALID)])
    detail: dict[str, object] = {
        "task": grant.task,
        "under": under.id,
        "scope": grant.scope,
        "expires_at": grant.expires_at,
    }
    kind = "grant.delegate" if planned.delegated else "grant.open"
    await append(tx, _audit(opening, kind, terms, detail, grant.id))


def _end(opening: Opening, planned: PlannedGrant, terms: TaskTerms) -> int | None:
    """A task ends by itself, sooner if it is asked for; nothing outlives what it is opened under."""
    above = opening.under.ends_at
    if planned.task is None:
        return above
    life = earliest(terms.ttl_seconds, opening.request.task_ttl_seconds) or terms.ttl_seconds
    return earliest(above, terms.now + life)


def _audit(
    opening: Opening, kind: str, terms: TaskTerms, detail: dict[str, object], grant_id: str | None = None
) -> AuditRecord:
    delegation = opening.request.delegation
    return AuditRecord(
        at_ms=terms.now_ms,
        kind=kind,
        outcome=Outcome.ALLOWED,
        actor=opening.request.caller.actor,
        account=opening.agent.partition("/")[0],
        agent=opening.agent,
        grant_id=grant_id,
        detail=detail if delegation is None else {**detail, "by_token": delegation.jti},
    )


def _key(opening: Opening) -> tuple[str, str, str | None, str | None]:
    planned = opening.planned
    if planned is None:
        return opening.under.id, opening.agent, None, None
    return opening.under.id, opening.agent, planned.task, planned.person
