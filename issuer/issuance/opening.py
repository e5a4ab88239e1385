"""Opening what a decision needs first: a grant for a task that comes for the first time, or a fresh status index.

Guarded like a record: nothing is opened on authority that changed since it was read. An index is drawn and bound to its grant in
one transaction, before any token names it, so that no two grants ever share one, whenever the issuer dies.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from issuer.audit.model import AuditRecord, Outcome
from issuer.audit.store import append
from issuer.issuance import store
from issuer.issuance.model import Opening
from issuer.registry.identifiers import new_grant_id
from issuer.registry.model import Grant
from issuer.registry.state import State, StatusValue
from issuer.registry.store.grants import insert_grants
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
        if opening.task is None:
            await allocation.renew(tx, opening.standing.id, StatusValue.VALID, terms.now)
        elif await _may_open(tx, opening.standing.agent_id, opening.task, terms):
            await _open_task(tx, opening, opening.task, terms)


async def _may_open(tx: Transaction, agent_id: int, task: str, terms: TaskTerms) -> bool:
    """Whether the task has no grant, and there is room for one: others of the same batch may have been opened since the decision."""
    if await store.task_grant(tx, agent_id, task) is not None:
        return False
    return await store.open_tasks(tx, agent_id, terms.now) < terms.max_open


async def _open_task(tx: Transaction, opening: Opening, task: str, terms: TaskTerms) -> None:
    now = terms.now
    (index,) = await allocation.draw(tx, 1, now)
    agent = opening.entitlement.entry.agent
    grant = Grant(
        id=new_grant_id(now),
        agent=agent,
        account=agent.partition("/")[0],
        task=task,
        scope=msgspec.Raw(opening.scope),
        funding="jit",
        owner=opening.standing.owner,
        expires_at=now + terms.ttl_seconds,
        status_list=index.list,
        status_index=index.idx,
        state=State.ACTIVE,
        effective=State.ACTIVE,
        created_at=now,
    )
    await insert_grants(tx, [(grant, opening.standing.agent_id, opening.standing.id)])
    await allocation.assign(tx, [(index, grant.id, StatusValue.VALID)])
    await append(tx, _audit(opening, grant, terms.now_ms))


def _audit(opening: Opening, grant: Grant, now_ms: int) -> AuditRecord:
    return AuditRecord(
        at_ms=now_ms,
        kind="grant.open",
        outcome=Outcome.ALLOWED,
        actor=opening.entitlement.request.caller.actor,
        account=grant.account,
        agent=grant.agent,
        grant_id=grant.id,
        detail={"task": grant.task, "under": opening.standing.id, "scope": grant.scope, "expires_at": grant.expires_at},
    )


def _key(opening: Opening) -> tuple[str, str | None]:
    return opening.standing.id, opening.task
