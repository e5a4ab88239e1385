"""Chains of authority as a state machine: accounts, agents, sub-agents, grants opened and delegated, persons; stopped in any order.

After each step every status is what the pure rule says of its chain, so resuming restores exactly what suspending took; what was
revoked once stays so; and who applies the recorded changes in order, as verifiers do, knows the same statuses.
"""

import asyncio
import tempfile
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from issuer.authority.model import Completion, Stop, Verb
from issuer.changes import Change
from issuer.errors import ConflictError
from issuer.registry.requests import NewAccount, NewAgent
from issuer.registry.roles import Operator, Role
from issuer.registry.service import Registry
from issuer.registry.state import State, StatusValue, effective, status_value
from issuer.status import allocation
from issuer.storage import SQLiteDatabase
from tests.fakes.authority import PERSONS, authority_over

CHANGE = Change(Operator(name="root", role=Role.ADMIN), 1_700_000_000_000)
AGENTS = ("acme/a", "acme/a/sub/b", "acme/a/sub/b/sub/c", "acme/z", "zeta/a")
PEOPLE = {name: PERSONS.digest("https://idp.example.com", name) for name in ("ida", "joe")}
GRANTS = {
    # name: agent, the grant above, task, person
    "a": ("acme/a", None, None, None),
    "a-t1": ("acme/a", "a", "t1", None),
    "a-ida": ("acme/a", "a", None, "ida"),
    "a-ida-t2": ("acme/a", "a-ida", "t2", "ida"),
    "b": ("acme/a/sub/b", None, None, None),
    "b-of-a": ("acme/a/sub/b", "a", None, None),
    "b-of-t1": ("acme/a/sub/b", "a-t1", "t1", None),
    "b-for-ida": ("acme/a/sub/b", "a-ida-t2", "t2", "ida"),
    "c-of-b": ("acme/a/sub/b/sub/c", "b-of-a", None, None),
    "c-of-t1": ("acme/a/sub/b/sub/c", "b-of-t1", "t1", None),
    "c-t3": ("acme/a/sub/b/sub/c", "c-of-b", "t3", None),
    "z": ("acme/z", None, None, None),
    "z-joe": ("acme/z", "z", None, "joe"),
    "other": ("zeta/a", None, None, None),
    "other-ida": ("zeta/a", "other", "t2", "ida"),
}
WORDS = (
    "account:acme",
    "account:zeta",
    *(f"agent:{agent}" for agent in AGENTS),
    *(f"grant:{grant}" for grant in GRANTS),
    *(f"task:{task}" for task in ("t1", "t2", "t3")),
    *(f"person:https://idp.example.com#{person}" for person in PEOPLE),
)
REACHES = {Verb.SUSPEND: State.SUSPENDED, Verb.RESUME: State.ACTIVE, Verb.REVOKE: State.REVOKED}


class Model:
    """What the pure rule says."""

    def __init__(self) -> None:
        """Everything is active."""
        self.states = dict.fromkeys((word for word in WORDS if not word.startswith("task:")), State.ACTIVE)

    def named(self, word: str) -> list[str]:
        """What a word means."""
        kind, _, name = word.partition(":")
        if kind != "task":
            return [word]
        return [f"grant:{grant}" for grant, (_, _, task, _) in GRANTS.items() if task == name]

    def below(self, grant: str) -> list[str]:
        """A grant and all below it."""
        children = [name for name, (_, above, _, _) in GRANTS.items() if above == grant]
        return [f"grant:{grant}", *(found for child in children for found in self.below(child))]

    def chain(self, grant: str) -> list[str]:
        """Everything that a grant hangs on, itself included."""
        agent, above, _, person = GRANTS[grant]
        account, _, path = agent.partition("/")
        parts = path.split("/sub/")
        agents = [f"agent:{account}/{'/sub/'.join(parts[: depth + 1])}" for depth in range(len(parts))]
        persons = [f"person:https://idp.example.com#{person}"] if person else []
        return [f"grant:{grant}", f"account:{account}", *agents, *persons, *(self.chain(above) if above else [])]

    def worth(self, grant: str) -> StatusValue:
        """What the status list has to say of it."""
        return status_value(effective([self.states[link] for link in self.chain(grant)]))


class Chains(RuleBasedStateMachine):
    """One registry; operators stop and resume what they like."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.database = SQLiteDatabase(Path(self.folder.name) / "remit.db")
        self.authority = authority_over(self.database, lambda: CHANGE.at_ms)
        self.model = Model()
        self.revoked: set[str] = set()
        self.places = self.runner.run(register(self.database))

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.runner.run(self.database.close())
        self.runner.close()
        self.folder.cleanup()

    @rule(verb=st.sampled_from(list(REACHES)), word=st.sampled_from(WORDS))
    def stop(self, verb: Verb, word: str) -> None:
        """Suspend, resume or revoke; what is revoked is neither suspended nor resumed."""
        before = self.values()
        try:
            stopped = self.runner.run(self.authority.stop(CHANGE, verb, Stop(word, "a test")))
        except ConflictError:
            assert all(self.model.states[name] is State.REVOKED for name in self.model.named(word))
            return
        for name in self.model.named(word):
            if self.model.states[name] is not State.REVOKED:
                self.model.states[name] = REACHES[verb]
        after = self.values()
        assert stopped.changed.grants == sum(after[grant] is not before[grant] for grant in GRANTS)

    @rule(word=st.sampled_from(WORDS))
    def suspend_and_resume(self, word: str) -> None:
        """Nothing is lost or gained by a suspension that ends, whatever was suspended within it before."""
        if any(self.model.states[name] is not State.ACTIVE for name in self.model.named(word)):
            return
        before = self.values()
        for verb in (Verb.SUSPEND, Verb.RESUME):
            self.runner.run(self.authority.stop(CHANGE, verb, Stop(word, "a test")))
        assert self.values() == before

    @rule(task=st.sampled_from(["t1", "t2", "t3"]), agent=st.sampled_from([None, "acme/a", "zeta/a"]))
    def complete(self, task: str, agent: str | None) -> None:
        """A task that is done is over for good, with all that was delegated for it."""
        held = [name for name, (whose, _, what, _) in GRANTS.items() if what == task and agent in (None, whose)]
        if not held:
            return
        self.runner.run(self.authority.complete(CHANGE, Completion(task, agent)))
        for grant in held:
            if self.model.states[f"grant:{grant}"] is not State.REVOKED:
                self.model.states |= dict.fromkeys(self.model.below(grant), State.REVOKED)

    @invariant()
    def statuses_follow_from_the_chain(self) -> None:
        """Every status is what the rule says."""
        assert self.values() == {grant: self.model.worth(grant) for grant in GRANTS}

    @invariant()
    def revoked_is_final(self) -> None:
        """What was invalid once is so for good."""
        invalid = {grant for grant, value in self.values().items() if value is StatusValue.INVALID}
        assert self.revoked <= invalid
        self.revoked = invalid

    @invariant()
    def changes_tell_it_all(self) -> None:
        """Numbered without a gap; their marks, applied in order, are what the lists say."""
        rows = self.fetch("SELECT * FROM status_changes ORDER BY seq")
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
        known = dict.fromkeys(self.places.values(), 0)
        for row in rows:
            marks = msgspec.json.decode(row["marks"])
            assert marks
            assert all(known[lst, idx] != value for lst, idx, value in marks)
            known |= {(lst, idx): value for lst, idx, value in marks}
        assert {grant: known[place] for grant, place in self.places.items()} == self.values()

    def values(self) -> dict[str, StatusValue]:
        """What the status lists say of each grant."""
        rows = self.fetch("SELECT grant_id, value FROM status_indexes")
        return {row["grant_id"]: StatusValue(row["value"]) for row in rows}

    def fetch(self, sql):
        """The rows of a statement."""
        return self.runner.run(self.database.read(lambda tx: tx.fetch(sql)))


async def register(database: SQLiteDatabase) -> dict[str, tuple[int, int]]:
    """Write accounts, agents, persons and grants; where each grant's status is."""
    registry = Registry(database)
    await registry.create_first_operator("root", CHANGE.at_ms)
    for account in ("acme", "zeta"):
        await registry.create_account(CHANGE, NewAccount(name=account, owner="o"))
    for agent in AGENTS:
        await registry.create_agent(CHANGE, NewAgent(agent=agent))

    async def write(tx):
        for digest in PEOPLE.values():
            await tx.execute("INSERT INTO persons (digest, created_at) VALUES ($1, 0)", digest)
        indexes = await allocation.draw(tx, len(GRANTS), CHANGE.now)
        for (name, (agent, above, task, person)), index in zip(GRANTS.items(), indexes, strict=True):
            await tx.execute(
                "INSERT INTO grants (id, agent_id, parent_id, delegated, person_id, task, scope, funding, owner, "
                "status_list, status_index, created_at) VALUES ($1, (SELECT agents.id FROM agents JOIN accounts ON "
                "accounts.id = account_id WHERE accounts.name || '/' || path = $2), $3, $4, "
                "(SELECT id FROM persons WHERE digest = $5), $6, '{}', 'jit', 'o', $7, $8, 0)",
                name,
                agent,
                above,
                int(above is not None and GRANTS[above][0] != agent),
                PEOPLE.get(person),
                task,
                index.list,
                index.idx,
            )
        await allocation.assign(
            tx, [(index, name, StatusValue.VALID) for name, index in zip(GRANTS, indexes, strict=True)]
        )
        return {name: (index.list, index.idx) for name, index in zip(GRANTS, indexes, strict=True)}

    return await database.transaction(write)


TestChains = Chains.TestCase
TestChains.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
