"""Lists are read from an index, page by page: a page costs what it shows, however much is registered."""

import pytest

from issuer.issuance.store import OPEN_TASKS
from issuer.registry.model import Page
from issuer.registry.store.accounts import list_accounts
from issuer.registry.store.agents import list_agents
from issuer.registry.store.entries import list_entries
from issuer.registry.store.grants import list_grants
from issuer.registry.store.operators import list_operators
from issuer.registry.store.sidecars import list_sidecars
from issuer.status.store import MARKED
from issuer.storage import SQLiteDatabase

PAGE = Page()
AGENT = ("acme", "planner")
LISTS = {
    "accounts": lambda tx: list_accounts(tx, PAGE, None),
    "agents": lambda tx: list_agents(tx, PAGE, None),
    "operators": lambda tx: list_operators(tx, PAGE),
    "sidecars": lambda tx: list_sidecars(tx, PAGE),
    "entries": lambda tx: list_entries(tx, PAGE, account=None, agent=None, sidecar=None),
    "entries of an agent": lambda tx: list_entries(tx, PAGE, account=None, agent=AGENT, sidecar=None),
    "entries of a sidecar": lambda tx: list_entries(tx, PAGE, account=None, agent=None, sidecar="edge-1"),
    "entries of an agent and a sidecar": lambda tx: list_entries(tx, PAGE, account=None, agent=AGENT, sidecar="edge-1"),
    "entries of an account's sidecar": lambda tx: list_entries(tx, PAGE, account="acme", agent=None, sidecar="edge-1"),
    "grants": lambda tx: list_grants(tx, PAGE, account=None, agent=None, task=None),
    "grants of an agent": lambda tx: list_grants(tx, PAGE, account="acme", agent=AGENT, task=None),
    "grants of a task": lambda tx: list_grants(tx, PAGE, account=None, agent=None, task="task-81"),
    "grants of an account's task": lambda tx: list_grants(tx, PAGE, account="acme", agent=None, task="task-81"),
}


@pytest.fixture
async def database(tmp_path):
    database = SQLiteDatabase(tmp_path / "remit.db")
    yield database
    await database.close()


class Explained:
    """A transaction that notes the plan of each statement before it runs it."""

    def __init__(self, tx):
        self._tx = tx
        self.fetch_row = tx.fetch_row
        self.steps = []

    async def fetch(self, sql, *args):
        """Explain, then run."""
        self.steps += [row["detail"] for row in await self._tx.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)]
        return await self._tx.fetch(sql, *args)


async def plan(database, work):
    """The steps of every statement that `work` runs."""

    async def explained(tx):
        spy = Explained(tx)
        await work(spy)
        return spy.steps

    return await database.read(explained)


@pytest.mark.parametrize("what", LISTS)
async def test_a_page_is_read_from_an_index_in_its_order(database, what):
    """No table is read whole, and nothing is sorted."""
    steps = await plan(database, LISTS[what])
    assert steps
    assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step], steps


@pytest.mark.parametrize("lister", [list_grants, list_entries])
async def test_the_grants_and_entries_of_one_account_are_found_by_its_agents(database, lister):
    """Not by reading those of all accounts."""
    more = {"task": None} if lister is list_grants else {"sidecar": None}
    steps = await plan(database, lambda tx: lister(tx, PAGE, account="acme", agent=None, **more))
    assert not [step for step in steps if step.startswith("SCAN")], steps
    assert [step for step in steps if "_by_agent (agent_id=?" in step], steps


@pytest.mark.parametrize(
    ("sql", "args", "index"),
    [
        (OPEN_TASKS, (1, 0), "USING INDEX grants_open_tasks (agent_id=? AND expires_at>?)"),
        (MARKED, (1, -1, 10), "COVERING INDEX status_indexes_not_valid (list=? AND idx>?)"),
    ],
)
async def test_what_is_asked_often_has_an_index_of_its_own(database, sql, args, index):
    """The open tasks of an agent, and the marks of a status list."""
    (step,) = await plan(database, lambda tx: tx.fetch(sql, *args))
    assert index in step
