"""The end of a task as its sidecar tells of it: its grants and all below them are revoked, for good."""

from issuer.attestation import ActiveSidecar
from issuer.audit.model import AuditRecord, Outcome
from issuer.audit.store import append
from issuer.authority import store
from issuer.authority.model import TaskDone, Verb
from issuer.authority.stopping import complete
from issuer.errors import NotEntitledError
from issuer.registry.requests import parse_agent
from issuer.registry.state import State
from issuer.registry.store.agents import find_agents
from issuer.status.model import StatusChange
from issuer.status.store import advance
from issuer.storage import Transaction


async def complete_for(tx: Transaction, sidecar: ActiveSidecar, done: TaskDone, at_ms: int) -> int:
    """Complete an agent's task within a transaction; returns how many grants are revoked now that were not before.

    Nothing is recorded of a task that has no grant left: there is nothing to take back, now or again.

    Raises:
        NotEntitledError: neither the agent nor one above it is for the workloads of this sidecar (`no_entry`).
    """
    name = parse_agent(done.agent)
    agent = (await find_agents(tx, [name])).get(name)
    if agent is None or not await store.is_of_sidecar(tx, sidecar.id, agent.id):
        raise NotEntitledError(
            f"agent {name} is not one of this sidecar", hint="a sidecar ends the tasks of its own agents"
        )
    held = await store.grants_of_agent(tx, agent.id, done.task)
    completed = await complete(tx, [grant for grant in held if grant.state is not State.REVOKED], at_ms // 1000)
    if completed.grants:
        await append(tx, _record(sidecar, done, completed.grants, at_ms))
        what = f"task {done.task} of agent {name}"
        await advance(
            tx,
            StatusChange(
                verb=Verb.COMPLETE.value,
                what=what,
                account=name.account,
                marks=completed.marks,
                requested_at_ms=at_ms,
            ),
        )
    return completed.grants


def _record(sidecar: ActiveSidecar, done: TaskDone, grants: int, at_ms: int) -> AuditRecord:
    return AuditRecord(
        at_ms=at_ms,
        kind=Verb.COMPLETE.value,
        outcome=Outcome.ALLOWED,
        actor=sidecar.actor,
        account=done.agent.partition("/")[0],
        agent=done.agent,
        detail={"what": f"task {done.task}", "changed_grants": grants},
    )
