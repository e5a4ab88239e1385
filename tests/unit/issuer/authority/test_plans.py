"""Stopping one thing costs what is below it, not what is registered: no statement reads a whole table."""

import pytest

from issuer.authority import store
from issuer.status import recompute, voiding
from issuer.storage import SQLiteDatabase

STATEMENTS = {
    "recompute below an account": recompute.BELOW_ACCOUNT,
    "recompute below an agent": recompute.BELOW_AGENT,
    "recompute below a grant": recompute.BELOW_GRANT,
    "recompute of a person": recompute.OF_PERSON,
    **{
        f"list below an {kind.value}": f"{before}SELECT grants.id {after} ORDER BY grants.created_at, grants.id LIMIT $2"
        for kind, (before, after) in store.BELOW.items()
    },
    "complete a grant": store.COMPLETE,
    "void the tokens of a grant": voiding.OF_GRANT,
    "void the tokens of a key": voiding.OF_KEY,
    "find the entries of a sidecar": store.OF_SIDECAR,
    "find the grants of an agent's task": f"{store._SELECT} WHERE grants.agent_id = $1 AND grants.task = $2",
    "find the grants of a task": f"{store._SELECT} WHERE grants.task = $1 ORDER BY grants.id",
}


@pytest.mark.parametrize("what", STATEMENTS)
async def test_no_statement_reads_all_grants_or_agents(tmp_path, what):
    """Each goes by an index from the thing that is stopped."""
    database = SQLiteDatabase(tmp_path / "remit.db")
    sql = STATEMENTS[what]
    args = [1, "active", "g"][: max(n for n in (1, 2, 3) if f"${n}" in sql)]
    if "LIMIT" in sql:
        args[1] = 10
    try:
        plan = await database.read(lambda tx: tx.fetch(f"EXPLAIN QUERY PLAN {sql}", *args))
    finally:
        await database.close()
    steps = [row["detail"] for row in plan]
    assert steps
    assert not [step for step in steps if step.startswith(("SCAN grants", "SCAN agents", "SCAN status_indexes"))], steps
