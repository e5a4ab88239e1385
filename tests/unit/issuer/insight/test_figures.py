"""Figures of how authority ended: percentiles that were measured, each verb for itself."""

import pytest

from issuer.insight import store
from issuer.insight.model import ChangeFigures, Times, by_verb
from issuer.storage import SQLiteDatabase
from tests.fakes.enforcing import enforcing


def change(verb="revoke", commit_ms=1, enforced_ms=None, silent=0) -> ChangeFigures:
    return ChangeFigures(1, verb, 0, commit_ms, enforced_ms, silent)


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ([5], Times(5, 5, 5)),
        ([3, 1, 2], Times(2, 3, 3)),
        ([1, 2], Times(1, 2, 2)),
        (range(1, 101), Times(50, 95, 100)),
        ([*range(1, 20), 1000], Times(10, 19, 1000)),
    ],
)
def test_a_percentile_is_a_time_that_was_measured(measured, expected):
    """The nearest rank, and none between two."""
    assert Times.of(list(measured)) == expected


def test_each_verb_has_its_figures():
    """Time to enforce counts where nobody was silent; changes with silent verifiers are counted apart."""
    found = by_verb(
        [
            change("suspend", 7),
            change(commit_ms=2, enforced_ms=80),
            change(commit_ms=4, enforced_ms=9000, silent=1),
            change(commit_ms=3, enforced_ms=90),
        ]
    )
    assert [(one.verb, one.changes, one.silent) for one in found] == [("revoke", 3, 1), ("suspend", 1, 0)]
    assert (found[0].commit, found[0].enforce) == (Times(3, 4, 4), Times(80, 90, 90))
    assert found[1].enforce is None


def test_nothing_has_no_figures():
    """No verb, rather than zeros."""
    assert by_verb([]) == []


async def test_changes_are_read_by_time_and_page(tmp_path):
    """Each once, those before the span left out."""
    async with enforcing(tmp_path) as issuer:
        await issuer.register("one")
        seqs = [await issuer.change() for _ in range(3)]
        await issuer.ack("one", seqs[-1])
        await issuer.until("SELECT count(*) FROM status_changes WHERE enforced = 1", [(3,)])
        read = issuer.database.read
        first = await read(lambda tx: store.changes_since(tx, 0, -1, 2))
        after = first[-1]
        rest = await read(lambda tx: store.changes_since(tx, after.committed_at_ms, after.seq, 2))
        assert [one.seq for one in (*first, *rest)] == seqs
        assert all(0 <= (one.enforced_ms or 0) < 5000 for one in (*first, *rest))
        assert await read(lambda tx: store.changes_since(tx, rest[-1].committed_at_ms + 1, -1, 2)) == []


async def test_the_changes_of_a_span_are_read_from_an_index(tmp_path):
    """However many there were before."""
    database = SQLiteDatabase(tmp_path / "remit.db")
    rows = await database.read(lambda tx: tx.fetch(f"EXPLAIN QUERY PLAN {store.CHANGES}", 0, 0, 1))
    plan = " ".join(row["detail"] for row in rows)
    await database.close()
    assert "SEARCH status_changes USING INDEX status_changes_by_time" in plan
    assert "TEMP B-TREE" not in plan
