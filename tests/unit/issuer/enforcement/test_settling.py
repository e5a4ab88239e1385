"""What is put on record of a change: counts and times in its row, one audit record, two histograms; once, whatever happens."""

import json

import pytest
from prometheus_client import REGISTRY

from issuer.enforcement.model import MARGIN_MS
from issuer.storage import StorageError
from tests.fakes.enforcing import BOUND_MS, BOUNDS, Monotonic, enforcing

OUTCOMES = "SELECT seq, enforced, silent FROM status_changes ORDER BY seq"


async def records(issuer) -> list[dict]:
    rows = await issuer.rows("SELECT account, actor, detail FROM audit WHERE kind = 'enforcement' ORDER BY seq")
    return [{"account": account, "actor": actor, **json.loads(detail)} for account, actor, detail in rows]


def count(metric: str, verb: str) -> float:
    return REGISTRY.get_sample_value(f"{metric}_count", {"verb": verb}) or 0.0


async def test_a_change_that_everybody_enforces_is_settled(issuer):
    """With how many, and how long the last of them took; the record is of the account that the change concerned."""
    before = [count(f"remit_time_to_{step}_seconds", "revoke") for step in ("commit", "enforce")]
    for name in ("one", "two"):
        await issuer.register(name)
    seq = await issuer.change()
    await issuer.ack("one", seq)
    await issuer.ack("two", seq)
    await issuer.until(OUTCOMES, [(seq, 2, 0)])
    assert (await issuer.report(seq)).settled
    ((enforced_ms,),) = await issuer.rows("SELECT enforced_ms FROM status_changes")
    (record,) = await records(issuer)
    assert 0 <= enforced_ms < 5000
    assert 0 <= record.pop("commit_ms") < 5000
    assert record == {
        "account": "acme",
        "actor": "issuer",
        "what": "agent acme/planner",
        "verb": "revoke",
        "seq": seq,
        "enforced": 2,
        "enforced_ms": enforced_ms,
        "silent": 0,
        "silent_verifiers": [],
    }
    after = [count(f"remit_time_to_{step}_seconds", "revoke") for step in ("commit", "enforce")]
    assert after == [value + 1 for value in before]


async def test_a_change_is_settled_once_whoever_is_silent_refuses_by_itself(issuer):
    """Not before; the record names it. What it says later changes the record no more."""
    before = count("remit_time_to_enforce_seconds", "suspend")
    for name in ("one", "two"):
        await issuer.register(name)
    seq = await issuer.change("suspend")
    await issuer.ack("one", seq)
    await issuer.report(seq)
    issuer.clock.ms += BOUND_MS
    await issuer.ack("one", seq)
    assert await issuer.rows(OUTCOMES) == [(seq, None, None)]
    issuer.clock.ms += 1
    await issuer.until(OUTCOMES, [(seq, 1, 1)])
    assert (await records(issuer))[0]["silent_verifiers"] == ["two"]
    assert count("remit_time_to_enforce_seconds", "suspend") == before
    await issuer.ack("two", seq)
    report = await issuer.report(seq)
    assert (report.settled, report.silent, len(report.enforced)) == (True, [], 2)
    assert await issuer.rows(OUTCOMES) == [(seq, 1, 1)]


async def test_who_was_given_up_counts_as_silent(issuer):
    """A verifier that was away before the change refuses before its bound after the change has passed."""
    await issuer.register("one")
    issuer.clock.ms += 10_000
    seq = await issuer.change()
    await issuer.report(seq)
    issuer.clock.ms += 7001
    await issuer.until(OUTCOMES, [(seq, 0, 1)])
    assert (await records(issuer))[0]["silent_verifiers"] == ["one"]
    assert (await issuer.report(seq)).silent == []


async def test_where_nobody_is_registered_there_is_nothing_to_tell(issuer):
    """The change is settled, without an audit record and without a time."""
    seq = await issuer.change()
    await issuer.until("SELECT seq, enforced, silent, enforced_ms FROM status_changes", [(seq, 0, 0, None)])
    assert await records(issuer) == []


async def test_what_verifiers_enforce_is_written_together(issuer):
    """Acknowledgements are in memory, and in the database about a second later."""
    await issuer.register("one")
    seq = await issuer.change()
    await issuer.register("silent", enforced=0)
    await issuer.ack("one", seq)
    assert await issuer.rows("SELECT enforced_seq FROM verifiers WHERE name = 'one'") == [(0,)]
    issuer.clock.ms += 1000
    await issuer.until("SELECT enforced_seq FROM verifiers WHERE name = 'one'", [(seq,)])


async def test_a_restart_goes_on_where_it_was(tmp_path):
    """Every verifier is awaited still, counting as seen now; what was not settled is, with those that enforced it before."""
    clock = Monotonic()
    async with enforcing(tmp_path, clock) as issuer:
        for name in ("one", "two"):
            await issuer.register(name)
        seq = await issuer.change()
        await issuer.ack("one", seq)
    clock.ms += BOUNDS.offline_ms  # it was not running
    async with enforcing(tmp_path, clock) as issuer:
        assert await issuer.enforced(seq) == (["one"], ["two"])
        assert not (await issuer.report(seq)).settled
        clock.ms += BOUND_MS
        await issuer.ack("one", seq)
        assert await issuer.enforced(seq) == (["one"], ["two"])
        await issuer.ack("two", seq)
        await issuer.until(OUTCOMES, [(seq, 2, 0)])
        assert len(await records(issuer)) == 1


async def test_after_a_restart_what_was_settled_can_be_asked(tmp_path):
    """Who enforces it is known, how long that took is on record only."""
    async with enforcing(tmp_path) as issuer:
        await issuer.register("one")
        seq = await issuer.change()
        await issuer.ack("one", seq)
        await issuer.until(OUTCOMES, [(seq, 1, 0)])
    async with enforcing(tmp_path) as issuer:
        await issuer.register("late", enforced=seq)
        report = await issuer.report(seq)
        assert (report.settled, report.silent, report.what) == (True, [], "agent acme/planner")
        assert [(one.verifier, one.milliseconds) for one in report.enforced] == [("one", None)]


async def test_a_database_that_is_away_is_waited_for(issuer, monkeypatch):
    """Nothing is lost: the outcome is written once it is back."""
    await issuer.register("one")
    seq = await issuer.change()
    transaction = issuer.database.transaction

    async def fail(_work):
        raise StorageError("the database is away")

    monkeypatch.setattr(issuer.database, "transaction", fail)
    await issuer.ack("one", seq)
    with pytest.raises(TimeoutError):
        await issuer.until(OUTCOMES, [(seq, 1, 0)], seconds=0.3)
    monkeypatch.setattr(issuer.database, "transaction", transaction)
    await issuer.until(OUTCOMES, [(seq, 1, 0)])
    assert len(await records(issuer)) == 1


async def test_changes_that_are_settled_are_forgotten_in_time(issuer, monkeypatch):
    """Memory holds the newest ones only; the older are still answered."""
    monkeypatch.setattr("issuer.enforcement.watch.MAX_FOLLOWED", 3)
    await issuer.register("one")
    for _ in range(6):
        seq = await issuer.change()
        await issuer.ack("one", seq)
        await issuer.until(f"SELECT enforced FROM status_changes WHERE seq = {seq}", [(1,)])
    assert [one.milliseconds for one in (await issuer.report(1)).enforced] == [None]
    assert [one.milliseconds is None for one in (await issuer.report(6)).enforced] == [False]


async def test_the_row_of_a_verifier_that_comes_back_is_not_deleted_late(issuer, monkeypatch):
    """It lapsed while nothing could be written; its row would have gone after it had registered again, and a restart forgotten it."""
    await issuer.register("one")
    transaction, round_ = issuer.database.transaction, issuer.enforcement._round

    async def fail(_work):
        raise StorageError("the disk is full")

    monkeypatch.setattr(issuer.database, "transaction", fail)
    issuer.clock.ms += BOUND_MS + MARGIN_MS + 1
    await round_(flush=True)

    async def then_a_round(work):
        monkeypatch.setattr(issuer.database, "transaction", transaction)
        done = await transaction(work)
        await round_(flush=True)
        return done

    monkeypatch.setattr(issuer.database, "transaction", then_a_round)
    await issuer.register("one")
    await round_(flush=True)
    assert await issuer.rows("SELECT name FROM verifiers") == [("one",)]
