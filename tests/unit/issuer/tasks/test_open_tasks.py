"""Which tasks are open and which linger, by what the audit log says of their tokens."""

import asyncio

import pytest

from issuer.audit.model import AuditRecord, Outcome
from issuer.audit.store import append_many
from issuer.authority.model import Completion, Stop, Verb
from issuer.registry.requests import NewAccount, NewAgent, NewGrant
from issuer.tasks import store
from issuer.tasks.model import TaskQuery
from issuer.tasks.service import Tasks
from remit.errors import InvalidInputError
from tests.fakes.authority import authority_over
from tests.fakes.issuing import NOW, open_core, request

UID = "unix:uid:1000"


@pytest.fixture
async def core(tmp_path):
    core = await open_core(tmp_path)
    await core.register("acme/planner", UID)
    yield core
    await core.database.close()


@pytest.fixture
def tasks(core):
    return Tasks(core.database)


async def issue(core, task):
    (outcome,) = await core.issuance.issue([request(UID, task=task)])
    return outcome[0]


async def names(tasks, now=NOW, **which):
    return [task.task for task in await tasks.open(TaskQuery(**which), now)]


async def test_an_open_task_is_told_whole(core, tasks):
    """Whose it is, who answers for it, when it was opened and ends, and when its last token ends."""
    first = await issue(core, "t")
    core.clock.now += 200
    last = await issue(core, "t")
    await core.registry.create_grant(core.change, NewGrant(agent="acme/planner", task="u"))
    task, unused = await tasks.open(TaskQuery(), core.clock.now)
    assert (task.task, task.agent, task.account, task.owner) == ("t", "acme/planner", "acme", "ana@example.org")
    assert (task.grant, task.opened_at, task.expires_at) == (last.grant, NOW, NOW + 86_400)
    assert task.last_token_ends_at == last.expires_at > first.expires_at
    assert (task.state, task.delegated) == ("active", False)
    assert (unused.task, unused.last_token_ends_at, unused.expires_at) == ("u", None, None)


async def test_only_open_tasks_are_told(core, tasks):
    """Not what was completed, revoked or has ended, itself or with what is above it; but what is suspended."""
    authority = authority_over(core.database, core.clock.ms)
    for task in ("completed", "revoked", "suspended", "open"):
        await issue(core, task)
    await authority.complete(core.change, Completion("completed"))
    await authority.stop(core.change, Verb.REVOKE, Stop("task:revoked", "r"))
    await authority.stop(core.change, Verb.SUSPEND, Stop("task:suspended", "r"))
    assert sorted(await names(tasks)) == ["open", "suspended"]
    assert await names(tasks, NOW + 86_399) != []
    assert await names(tasks, NOW + 86_400) == []
    await authority.stop(core.change, Verb.REVOKE, Stop("acme", "r"))
    assert await names(tasks) == []


async def test_what_lingers_is_what_nobody_holds_a_token_for(core, tasks):
    """Counted from the end of its last token, or from its opening if it never had one."""
    end = (await issue(core, "t")).expires_at
    await core.registry.create_grant(core.change, NewGrant(agent="acme/planner", task="never"))
    assert await names(tasks, unused_since=NOW) == []
    assert await names(tasks, unused_since=NOW + 1) == ["never"]
    assert await names(tasks, unused_since=end) == ["never"]
    assert sorted(await names(tasks, unused_since=end + 1)) == ["never", "t"]
    assert await tasks.count(TaskQuery(unused_since=end + 1), NOW) == 2
    core.clock.now = NOW + 100
    await issue(core, "t")
    assert await names(tasks, unused_since=end + 1) == ["never"]


async def test_of_one_agent_or_account(core, tasks):
    """And of none that there is not."""
    await core.registry.create_account(core.change, NewAccount(name="zeta", owner="o"))
    for agent in ("acme/planner/sub/a", "zeta/b"):
        await core.registry.create_agent(core.change, NewAgent(agent=agent))
        await core.registry.create_grant(core.change, NewGrant(agent=agent, task="t"))
    await issue(core, "mine")
    assert await names(tasks, agent="acme/planner") == ["mine"]
    assert await names(tasks, agent="acme/planner/sub/a") == ["t"]
    assert sorted(await names(tasks, account="acme")) == ["mine", "t"]
    assert await names(tasks, account="acme", agent="zeta/b") == []
    assert await names(tasks, agent="acme/nobody") == []


async def test_pages_miss_nothing_and_repeat_nothing(core, tasks, monkeypatch):
    """By when they end, those without an end last; however much is read at once."""
    monkeypatch.setattr("issuer.tasks.service._RECORDS", 3)
    for number in range(10):
        ends = None if number % 4 == 0 else 1000 * (1 + number % 3)
        wanted = NewGrant(agent="acme/planner", task=f"t{number}", expires_in_seconds=ends)
        await core.registry.create_grant(core.change, wanted)
    seen, after = [], ""
    while page := await tasks.open(TaskQuery(limit=3, after=after), NOW):
        seen += page
        after = page[-1].cursor
    assert len({task.grant for task in seen}) == len(seen) == 10
    ends = [task.expires_at or 10**12 for task in seen]
    assert ends == sorted(ends)


@pytest.mark.parametrize("cursor", ["x", ":", "1", "1:", "x:gr_1", "99999999999999999:gr_1", "1:a\nb"])
async def test_what_is_no_cursor_is_refused(tasks, cursor):
    """Before anything is read by it."""
    with pytest.raises(InvalidInputError):
        await tasks.open(TaskQuery(after=cursor), NOW)


async def test_the_log_is_read_once(core, tasks, monkeypatch):
    """In pieces, on from where it stopped, by whoever asks first; reading it again from the start changes nothing."""
    monkeypatch.setattr("issuer.tasks.service._RECORDS", 2)
    for number in range(5):
        await issue(core, f"t{number}")
    await asyncio.gather(tasks.catch_up(), Tasks(core.database).catch_up(), tasks.catch_up())
    told = await tasks.open(TaskQuery(), NOW)
    assert {task.last_token_ends_at for task in told} == {NOW + 300}
    newest = await core.database.read(store.newest)
    assert await core.database.read(store.read_up_to) == newest
    await core.database.transaction(lambda tx: tx.execute("UPDATE task_uses_read SET seq = 0"))
    assert await tasks.open(TaskQuery(), NOW) == told


async def test_a_last_token_that_ends_sooner_shortens_nothing(core, tasks):
    """One that was issued before it may still be held."""
    end = (await issue(core, "t")).expires_at
    await tasks.catch_up()
    await core.issuance.issue([request(UID, task="t", ttl_seconds=30)])
    (task,) = await tasks.open(TaskQuery(), NOW)
    assert task.last_token_ends_at == end


async def test_what_is_no_issuance_is_passed_over(core, tasks):
    """Refusals and other decisions on the same grant."""
    grant = (await issue(core, "t")).grant
    records = [
        AuditRecord(NOW * 1000, "issuance", Outcome.REFUSED, "a", grant_id=grant, detail={"exp": NOW + 9999}),
        AuditRecord(NOW * 1000, "suspend", Outcome.ALLOWED, "a", grant_id=grant),
    ]
    await core.database.transaction(lambda tx: append_many(tx, records))
    (task,) = await tasks.open(TaskQuery(), NOW)
    assert task.last_token_ends_at == NOW + 300


async def test_it_follows_by_itself(core, tasks):
    """From its start on, and no more once it is closed."""
    await issue(core, "t")
    await tasks.start()
    for _ in range(10_000):
        if await core.database.read(store.read_up_to):
            break
        await asyncio.sleep(0)
    assert await core.database.read(store.read_up_to) == await core.database.read(store.newest)
    await tasks.close()
    await tasks.close()


@pytest.mark.parametrize(
    ("sql", "count"), [(store.OPEN, 3), (store.OPEN_OF_AGENT, 5), (store.ISSUED, 2)], ids=["all", "of one agent", "log"]
)
async def test_no_statement_reads_a_whole_table(core, sql, count):
    """Each goes by an index, or by the number of the record."""
    args = (1, "~", 10, "acme", "planner")[:count] if count > 2 else (1, 2)
    plan = await core.database.read(lambda tx: tx.fetch(f"EXPLAIN QUERY PLAN {sql}", *args))
    steps = [row["detail"] for row in plan]
    assert not [step for step in steps if step.startswith(("SCAN grants", "SCAN audit", "SCAN agents"))], steps
