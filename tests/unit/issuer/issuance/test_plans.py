"""What a delegation or a person costs is what is above it, not what is registered: no statement reads a whole table."""

import pytest

from issuer.issuance import store
from issuer.storage import SQLiteDatabase

STATEMENTS = {
    "standing grants": (store.STANDING.format("$1, $2"), (1, 2), "grants_standing"),
    "a grant of a task": (store.OF_TASK, (1, "t", 0), "grants_by_task"),
    "whether a task is over": (store.OVER, (1, "t"), "grants_by_task"),
    "a grant of a person": (store.OF_PERSON, (1, 1, "g"), "grants_standing_of_person"),
    "a delegated grant": (store.DELEGATED, (1, "g", "", 0), "grants_delegated"),
    "a line of grants": (store.LINE, ("g",), "sqlite_autoindex_grants"),
    "sub-agents": (store.LIVING, (1,), "agents_by_parent"),
    "all sub-agents": (store.ASSERTED, (1, "a/", "a0"), "sqlite_autoindex_agents_1"),
}


@pytest.mark.parametrize("what", STATEMENTS)
async def test_each_statement_goes_by_its_index(tmp_path, what):
    """By the one that was made for it."""
    sql, args, index = STATEMENTS[what]
    database = SQLiteDatabase(tmp_path / "remit.db")
    try:
        plan = await database.read(lambda tx: tx.fetch(f"EXPLAIN QUERY PLAN {sql}", *args))
    finally:
        await database.close()
    steps = [row["detail"] for row in plan]
    assert not [step for step in steps if step.startswith(("SCAN grants", "SCAN agents"))], steps
    assert any(index in step for step in steps), steps
