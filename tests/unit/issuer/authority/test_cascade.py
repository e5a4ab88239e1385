"""The cascade: whatever was suspended, resumed and revoked in whatever order, each grant is worth what the states say."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issuer.authority.model import Stop, Verb
from issuer.changes import Change
from issuer.errors import ConflictError
from issuer.registry.requests import NewAccount, NewAgent, NewGrant
from issuer.registry.roles import Operator, Role
from issuer.registry.service import Registry
from issuer.registry.state import State, effective, status_value
from issuer.status.service import StatusLists
from issuer.storage import SQLiteDatabase
from tests.fakes.authority import authority_over

AGENTS = ["acme/a", "acme/a/sub/b", "acme/a/sub/b/sub/c", "acme/z", "zeta/a"]
TASKS = {"acme/a": ["t-1"], "acme/a/sub/b/sub/c": ["t-1", "t-2"], "zeta/a": ["t-2"]}
TARGETS = ["account:acme", "account:zeta", *(f"agent:{agent}" for agent in AGENTS), "task:t-1", "task:t-2"]
CHANGE = Change(Operator(name="root", role=Role.ADMIN), 1_700_000_000_000)


class Tree:
    """A registered tree, and what the pure rule says of it."""

    def __init__(self, database: SQLiteDatabase) -> None:
        self.registry = Registry(database)
        self.lists = StatusLists(database)
        self.authority = authority_over(database, lambda: CHANGE.at_ms)
        self.states: dict[str, State] = {}
        self.grants: dict[str, tuple[str, str | None]] = {}

    async def register(self) -> None:
        """Two accounts, five agents, their standing grants and some for tasks."""
        await self.registry.create_first_operator("root", CHANGE.at_ms)
        for account in ("acme", "zeta"):
            await self.registry.create_account(CHANGE, NewAccount(name=account, owner="o"))
            self.states[f"account:{account}"] = State.ACTIVE
        for agent in AGENTS:
            await self.registry.create_agent(CHANGE, NewAgent(agent=agent))
            self.states[f"agent:{agent}"] = State.ACTIVE
            for task in [None, *TASKS.get(agent, [])]:
                grant = await self.registry.create_grant(CHANGE, NewGrant(agent=agent, task=task))
                self.grants[grant.id] = (agent, task)
                self.states[grant.id] = State.ACTIVE

    async def apply(self, verb: Verb, what: str) -> None:
        """Do it, and to the model too; what is revoked is neither suspended nor resumed."""
        try:
            await self.authority.stop(CHANGE, verb, Stop(what, "a test"))
        except ConflictError:
            assert all(self.states[name] is State.REVOKED for name in self.names(what))
            assert verb is not Verb.REVOKE
            return
        wanted = {Verb.SUSPEND: State.SUSPENDED, Verb.RESUME: State.ACTIVE, Verb.REVOKE: State.REVOKED}[verb]
        for name in self.names(what):
            if self.states[name] is not State.REVOKED:
                self.states[name] = wanted

    def names(self, what: str) -> list[str]:
        """What `what` means in the model."""
        kind, _, name = what.partition(":")
        if kind == "task":
            return [grant for grant, (_, task) in self.grants.items() if task == name]
        return [name] if kind == "grant" else [what]

    def expected(self, grant: str) -> State:
        """What the pure rule says."""
        agent, _ = self.grants[grant]
        account, _, path = agent.partition("/")
        parts = path.split("/sub/")
        above = [f"agent:{account}/{'/sub/'.join(parts[: depth + 1])}" for depth in range(len(parts))]
        return effective([self.states[name] for name in (grant, f"account:{account}", *above)])

    async def check(self) -> None:
        """The status lists and the registry say of every grant what the rule says."""
        marked = dict((await self.lists.snapshot(1)).marked)
        for grant_id in self.grants:
            grant = await self.registry.grant(CHANGE.operator, grant_id)
            expected = self.expected(grant_id)
            assert marked.get(grant.status_index, 0) == status_value(expected)
            assert (grant.state, grant.effective) == (self.states[grant_id], expected)


@pytest.fixture
async def tree(tmp_path):
    database = SQLiteDatabase(tmp_path / "remit.db")
    tree = Tree(database)
    await tree.register()
    yield tree
    await database.close()


steps = st.lists(
    st.tuples(
        st.sampled_from([Verb.SUSPEND, Verb.RESUME, Verb.REVOKE]),
        st.sampled_from([*TARGETS, *(f"grant:{n}" for n in range(9))]),
    ),
    max_size=10,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=steps)
def test_every_sequence_of_changes_leaves_what_the_rule_says(steps):
    """Suspend, resume and revoke over accounts, agents, grants and tasks; `seq` moves exactly when a value does."""
    asyncio.run(_play(steps))


async def _play(steps) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = SQLiteDatabase(Path(folder) / "remit.db")
        try:
            tree = Tree(database)
            await tree.register()
            before = await tree.lists.snapshot(1)
            for verb, target in steps:
                number = target.removeprefix("grant:")
                what = f"grant:{list(tree.grants)[int(number)]}" if number.isdigit() else target
                await tree.apply(verb, what)
                after = await tree.lists.snapshot(1)
                assert after.seq - before.seq == (sorted(after.marked) != sorted(before.marked))
                before = after
            await tree.check()
        finally:
            await database.close()


async def test_resuming_restores_exactly_what_suspending_took(tree):
    """What was suspended or revoked below for itself stays so."""
    await tree.apply(Verb.SUSPEND, "agent:acme/a/sub/b")
    await tree.apply(Verb.REVOKE, "task:t-2")
    before = await tree.lists.snapshot(1)
    await tree.apply(Verb.SUSPEND, "account:acme")
    await tree.check()
    await tree.apply(Verb.RESUME, "account:acme")
    after = await tree.lists.snapshot(1)
    assert sorted(after.marked) == sorted(before.marked)
    assert after.seq == before.seq + 2


async def test_revoking_an_account_revokes_every_grant_below_at_once(tree):
    """In one change, which is numbered once."""
    seq = (await tree.lists.snapshot(1)).seq
    stopped = await tree.authority.stop(CHANGE, Verb.REVOKE, Stop("acme", "over"))
    assert (stopped.changed.grants, stopped.seq) == (7, seq + 1)
    again = await tree.authority.stop(CHANGE, Verb.REVOKE, Stop("acme", "over"))
    assert (again.changed.grants, again.seq) == (0, seq + 1)
