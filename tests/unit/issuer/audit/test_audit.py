"""The audit log: append-only, in order, filtered and read in pages."""

import pytest

from issuer.audit.model import AuditQuery, AuditRecord, Outcome
from issuer.audit.pacing import BURST, INTERVAL_MS, Pace
from issuer.audit.service import AuditLog
from issuer.audit.store import append, append_many
from issuer.storage import SQLiteDatabase, StorageError, UniqueViolationError


@pytest.fixture
async def database(tmp_path):
    database = SQLiteDatabase(tmp_path / "remit.db")
    yield database
    await database.close()


def record(number: int, **more: object) -> AuditRecord:
    """A record that differs from others by `number`."""
    return AuditRecord(at_ms=number, kind="test", outcome=Outcome.ALLOWED, actor="operator:ana", **more)


async def test_what_was_appended_is_read_back_in_order(database):
    """With all that it said, and a number of its own."""
    full = record(1, account="acme", agent="acme/a", jti="j", grant_id="g", detail={"n": [1, {"x": None}]})
    await database.transaction(lambda tx: append_many(tx, [full, record(2)]))
    first, second = await AuditLog(database).query(AuditQuery())
    assert (first.seq, first.jti, first.detail) == (1, "j", {"n": [1, {"x": None}]})
    assert (first.account, first.agent, first.grant_id) == ("acme", "acme/a", "g")
    assert (second.seq, second.at_ms, second.detail) == (2, 2, {})


async def test_records_are_filtered_and_read_in_pages(database):
    """By account, agent, kind and outcome; from a number on; the newest on request."""
    records = [
        record(n, account="acme" if n % 2 else "zeta", agent=f"{'acme' if n % 2 else 'zeta'}/a") for n in range(10)
    ]
    await database.transaction(lambda tx: append_many(tx, records))
    log = AuditLog(database)
    assert [item.at_ms for item in await log.query(AuditQuery(account="acme", limit=2))] == [1, 3]
    assert [item.at_ms for item in await log.query(AuditQuery(agent="zeta/a", after=5))] == [6, 8]
    assert [item.at_ms for item in await log.query(AuditQuery(newest=True, limit=3))] == [7, 8, 9]
    assert await log.query(AuditQuery(outcome=Outcome.REFUSED)) == []
    assert await log.query(AuditQuery(kind="other")) == []


@pytest.mark.parametrize("sql", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"])
async def test_a_record_is_never_changed_or_deleted(database, sql):
    """The database itself refuses."""
    await database.transaction(lambda tx: append(tx, record(1)))
    with pytest.raises(StorageError):
        await database.transaction(lambda tx: tx.execute(sql))
    assert len(await AuditLog(database).query(AuditQuery())) == 1


async def test_no_two_issuances_share_a_jti(database):
    """The second is refused."""
    await database.transaction(lambda tx: append(tx, record(1, jti="j")))
    with pytest.raises(UniqueViolationError):
        await database.transaction(lambda tx: append(tx, record(2, jti="j")))


def test_a_pace_admits_a_burst_and_then_one_for_each_interval():
    """A clock that steps back earns nothing; a long rest earns no more than a burst."""
    pace = Pace()
    assert sum(pace.admits(0) for _ in range(BURST + 50)) == BURST
    assert not pace.admits(INTERVAL_MS - 1)
    assert pace.admits(INTERVAL_MS)
    assert not pace.admits(0)
    assert sum(pace.admits(10**12) for _ in range(2 * BURST)) == BURST


async def test_each_provider_has_a_pace_of_its_own(database):
    """What one of them causes neither fills the log nor keeps the refusals of another out; operators are not bounded."""
    log = AuditLog(database)
    for actor, recorded in (("provider:shop", BURST), ("provider:other", BURST), ("operator:ana", BURST + 5)):
        refused = AuditRecord(at_ms=0, kind="request", outcome=Outcome.REFUSED, actor=actor)
        before = len(await log.query(AuditQuery(limit=1000)))
        for _ in range(BURST + 5):
            await log.record_refusal("unknown_verifier", refused)
        assert len(await log.query(AuditQuery(limit=1000))) - before == recorded
