"""The end of a task: by an operator, by a sidecar; what it takes with it, and that it is final."""

import pytest

from issuer.attestation import ActiveSidecar
from issuer.audit.model import AuditQuery
from issuer.authority.model import Completion, Stop, TaskDone, Verb
from issuer.errors import NotEntitledError, NotFoundError
from issuer.registry.requests import NewAgent, NewEntry, NewGrant
from issuer.registry.roles import Operator, Role
from remit.errors import InvalidInputError
from remit.ids import SidecarName
from tests.fakes.authority import authority_over
from tests.fakes.issuing import NOW, open_core, request

UID = "unix:uid:1000"
EDGE, OTHER = (ActiveSidecar(key, SidecarName.parse(f"edge-{key}")) for key in (1, 2))
NOW_MS = NOW * 1000


@pytest.fixture
async def core(tmp_path):
    core = await open_core(tmp_path)
    for key in (1, 2):
        await execute(core, f"INSERT INTO sidecars (id, name, created_at) VALUES ({key}, 'edge-{key}', 0)")
    await core.register("acme/planner", UID)
    await core.register("acme/writer", "unix:uid:7")
    await execute(core, "UPDATE entries SET sidecar_id = 1 WHERE agent_id = 1")
    yield core
    await core.database.close()


@pytest.fixture
def authority(core):
    return authority_over(core.database, core.clock.ms)


async def execute(core, sql, *args):
    await core.database.transaction(lambda tx: tx.execute(sql, *args))


async def grants(core, **which):
    """State and completion of every grant for a task, by id."""
    rows = await core.database.read(lambda tx: tx.fetch("SELECT * FROM grants WHERE task IS NOT NULL ORDER BY id"))
    return {row["id"]: (row["state"], row["completed_at"]) for row in rows}


async def opened(core, task, agent="acme/planner", parent=None):
    """A task's grant; returns its id."""
    grant = await core.registry.create_grant(core.change, NewGrant(agent=agent, task=task))
    if parent is not None:
        await execute(core, "UPDATE grants SET parent_id = $2, delegated = 1 WHERE id = $1", grant.id, parent)
    return grant.id


async def test_a_task_ends_with_all_that_is_below_it(core, authority):
    """What was delegated, and what was delegated of that, whatever its own task; nothing beside it."""
    for path in ("sub/a", "sub/a/sub/b"):
        await core.registry.create_agent(core.change, NewAgent(agent=f"acme/planner/{path}"))
    top, beside = await opened(core, "t"), await opened(core, "u")
    child = await opened(core, "t", "acme/planner/sub/a", top)
    grandchild = await opened(core, "other", "acme/planner/sub/a/sub/b", child)
    stopped = await authority.complete(core.change, Completion("t"))
    done = ("revoked", NOW)
    assert await grants(core) == {top: done, child: done, grandchild: done, beside: ("active", None)}
    assert (stopped.resolved.kind, stopped.resolved.state, stopped.changed.grants) == ("task", "revoked", 3)
    assert len((await core.statuses.snapshot(1)).marked) == 3


async def test_one_agents_part_of_a_task(core, authority):
    """Others go on with it."""
    mine, theirs = await opened(core, "t"), await opened(core, "t", "acme/writer")
    stopped = await authority.complete(core.change, Completion("t", "acme/planner"))
    assert await grants(core) == {mine: ("revoked", NOW), theirs: ("active", None)}
    assert (stopped.resolved.agent, stopped.resolved.grant_count) == ("acme/planner", 0)


async def test_completing_is_final(core, authority):
    """Neither resumed, nor opened again; completing it again changes nothing."""
    grant = await opened(core, "t")
    first = await authority.complete(core.change, Completion("t"))
    again = await authority.complete(core.change, Completion("t"))
    assert (again.changed.grants, again.seq) == (0, first.seq)
    await execute(core, "UPDATE entries SET sidecar_id = NULL")
    (outcome,) = await core.issuance.issue([request(UID, task="t")])
    assert outcome.code == "no_grant"
    assert await grants(core) == {grant: ("revoked", NOW)}


async def test_a_suspended_task_ends_too(core, authority):
    """Its end is worse than its suspension."""
    grant = await opened(core, "t")
    await authority.stop(core.change, Verb.SUSPEND, Stop("task:t", "r"))
    await authority.complete(core.change, Completion("t"))
    assert await grants(core) == {grant: ("revoked", NOW)}


async def test_an_operator_of_one_account_ends_its_tasks_only(core, authority):
    """Of other accounts' there are none to them."""
    await core.register("zeta/agent")
    mine, theirs = await opened(core, "t"), await opened(core, "t", "zeta/agent")
    await execute(core, "INSERT INTO operators (name, role, digest, created_at) VALUES ('bob', 'operator', 'd', 0)")
    bob = Operator(name="bob", role=Role.OPERATOR, account="acme")
    change = core.change.__class__(bob, NOW_MS)
    await authority.complete(change, Completion("t"))
    assert await grants(core) == {mine: ("revoked", NOW), theirs: ("active", None)}
    with pytest.raises(NotFoundError):
        await authority.complete(change, Completion("t", "zeta/agent"))


async def test_a_task_that_nobody_has_is_not_found(core, authority):
    """To an operator, who may have mistyped it."""
    with pytest.raises(NotFoundError, match="no grant for this task"):
        await authority.complete(core.change, Completion("t"))


@pytest.mark.parametrize("wrong", [{"task": "a b"}, {"task": "t", "agent": "acme"}, {"task": "t", "reason": "a\nb"}])
def test_what_is_no_task_is_refused(wrong):
    """As a value."""
    with pytest.raises((InvalidInputError, ValueError)):
        Completion(**wrong)


async def test_a_sidecar_ends_the_tasks_of_its_agents(core, authority):
    """Recorded as its own; how many grants ended is the answer, 0 the second time and of a task that there never was."""
    await opened(core, "t")
    done = TaskDone("acme/planner", "t")
    assert [await authority.complete_for(EDGE, done, NOW_MS) for _ in range(2)] == [1, 0]
    assert await authority.complete_for(EDGE, TaskDone("acme/planner", "never"), NOW_MS) == 0
    (record,) = await core.audit.query(AuditQuery(kind="complete"))
    assert (record.actor, record.agent, record.detail) == (
        "sidecar:edge-1",
        "acme/planner",
        {"what": "task t", "changed_grants": 1},
    )
    change = await core.database.read(lambda tx: tx.fetch_row("SELECT * FROM status_changes"))
    assert (change["verb"], change["what"]) == ("complete", "task t of agent acme/planner")


async def test_a_sidecar_ends_the_tasks_of_sub_agents(core, authority):
    """Which it obtained by delegation, however deep; also when its entry was deleted meanwhile."""
    for path in ("sub/a", "sub/a/sub/b"):
        await core.registry.create_agent(core.change, NewAgent(agent=f"acme/planner/{path}"))
    await opened(core, "t", "acme/planner/sub/a/sub/b")
    await execute(core, "UPDATE entries SET state = 'revoked'")
    assert await authority.complete_for(EDGE, TaskDone("acme/planner/sub/a/sub/b", "t"), NOW_MS) == 1


@pytest.mark.parametrize(
    ("sidecar", "agent"), [(OTHER, "acme/planner"), (EDGE, "acme/writer"), (EDGE, "acme/nobody"), (EDGE, "zeta/x")]
)
async def test_a_sidecar_ends_nobody_elses_tasks(core, authority, sidecar, agent):
    """One refusal, whether the agent is another sidecar's, has no sidecar, or is not there."""
    await core.registry.create_entry(core.change, NewEntry(agent="acme/writer", selectors=["unix:uid:8"]))
    grant = await opened(core, "t")
    with pytest.raises(NotEntitledError) as caught:
        await authority.complete_for(sidecar, TaskDone(agent, "t"), NOW_MS)
    assert caught.value.code == "no_entry"
    assert await grants(core) == {grant: ("active", None)}
