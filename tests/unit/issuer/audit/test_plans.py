"""However the audit log is asked, an index has the answer in its order: no query reads what it does not show."""

import itertools

import pytest

from issuer.audit.model import AuditQuery, Outcome
from issuer.audit.store import statement
from issuer.storage import SQLiteDatabase

LOG = "INTEGER PRIMARY KEY"


@pytest.fixture
async def database(tmp_path):
    database = SQLiteDatabase(tmp_path / "remit.db")
    yield database
    await database.close()


def index_for(which: AuditQuery) -> str:
    """What serves a query; most records are of issuances, so those are found by reading the log itself."""
    whose = "agent" if which.agent else "account" if which.account else None
    if which.kind == "revoke":
        return "audit_by_kind" + (f"_{whose}" if whose else "")
    if which.outcome is Outcome.REFUSED:
        return "audit_refused" + (f"_{whose}" if whose else "")
    return f"audit_by_{whose}" if whose else LOG


QUERIES = [
    AuditQuery(account=account, agent=agent, kind=kind, outcome=outcome, newest=newest)
    for account, agent, kind, outcome, newest in itertools.product(
        (None, "acme"), (None, "acme/a"), (None, "issuance", "revoke"), (None, *Outcome), (False, True)
    )
]


async def test_every_query_goes_by_its_index(database):
    """Whatever the filters and the direction; nothing is sorted."""
    for which in QUERIES:
        sql, args = statement(which)
        (step,) = await database.read(lambda tx, sql=sql, args=args: tx.fetch(f"EXPLAIN QUERY PLAN {sql}", *args))
        assert f"USING {'' if index_for(which) == LOG else 'INDEX '}{index_for(which)} (" in step["detail"], which
