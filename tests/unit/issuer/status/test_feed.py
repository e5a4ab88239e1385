"""The feed of status events: what is told, to whom, in which order, and when nothing is."""

import time

import pytest

from issuer.status.feed import PAGE
from issuer.status.history import KEPT
from tests.fakes.feeding import NotingStream, feeding


@pytest.fixture
async def fed(tmp_path):
    async with feeding(tmp_path) as fed:
        yield fed


async def test_who_comes_hears_at_once_how_things_stand(fed):
    """A heartbeat, also when nothing has ever changed."""
    assert (await fed.join()).seen == [("heartbeat", 0)]
    await fed.change(count=3)
    assert (await fed.join()).seen == [("heartbeat", 3)]


async def test_changes_are_told_in_their_order(fed):
    """Each once, none left out, however many came together."""
    stream = await fed.join()
    await fed.change(count=3 * PAGE + 5)
    await stream.until(("status", 3 * PAGE + 5))
    assert stream.seen[1:] == [("status", seq) for seq in range(1, 3 * PAGE + 6)]


async def test_nothing_depends_on_being_woken(tmp_path):
    """The next heartbeat's look finds what changed."""
    async with feeding(tmp_path, heartbeat_seconds=0.02) as fed:
        stream = await fed.join()
        await fed.change(wake=False)
        await stream.until(("status", 1), ("heartbeat", 1))


async def test_an_event_is_signed_once(fed):
    """The same bytes go to everybody, also to those who get them later."""
    first, second = await fed.join(), await fed.join()
    await fed.change()
    await first.until(("status", 1))
    await second.until(("status", 1))
    late = await fed.join(0)
    assert first.events[-1] is second.events[-1]
    assert first.events[-1] is late.events[0]


async def test_who_was_away_gets_what_it_missed(fed):
    """And then a heartbeat; nothing of what it had seen."""
    await fed.change(count=5)
    assert (await fed.join(2)).seen == [("status", 3), ("status", 4), ("status", 5), ("heartbeat", 5)]
    assert (await fed.join(5)).seen == [("heartbeat", 5)]


async def test_what_changed_before_the_start_is_replayed_too(tmp_path):
    """A restart forgets nothing."""
    async with feeding(tmp_path, before=lambda fed: fed.change(count=3, wake=False)) as fed:
        assert (await fed.join(1)).seen == [("status", 2), ("status", 3), ("heartbeat", 3)]


async def test_who_missed_more_than_is_kept_begins_at_the_head(fed):
    """No part of it is replayed, so that the gap shows."""

    async def many(tx):
        await tx.execute_many(
            "INSERT INTO status_changes (seq, verb, what, marks, lists, keys, requested_at_ms, committed_at_ms) "
            "VALUES ($1, 'revoke', 'a test', '[[1, 7, 1]]', '[1]', '[]', 0, 0)",
            [(seq,) for seq in range(1, KEPT + 11)],
        )
        await tx.execute("UPDATE status_head SET seq = $1", KEPT + 10)

    await fed.database.transaction(many)
    fed.feed.wake()
    assert (await fed.join(9)).seen == [("heartbeat", KEPT + 10)]
    assert (await fed.join(KEPT + 9)).seen == [("status", KEPT + 10), ("heartbeat", KEPT + 10)]
    assert (await fed.join(10)).seen == [*(("status", seq) for seq in range(11, KEPT + 11)), ("heartbeat", KEPT + 10)]


async def test_who_is_ahead_of_the_head_hears_where_it_is(fed):
    """As after a backup was restored: nothing is replayed, nothing fails."""
    await fed.change()
    assert (await fed.join(10**15 - 1)).seen == [("heartbeat", 1)]


async def test_a_number_without_a_record_is_a_gap_not_a_stop(fed):
    """The heartbeat tells the head; what comes later is told."""
    stream = await fed.join()
    await fed.database.transaction(lambda tx: tx.execute("UPDATE status_head SET seq = seq + 1"))
    await fed.change()
    await stream.until(("status", 2))
    assert (await fed.join(0)).seen == [("status", 2), ("heartbeat", 2)]


async def test_without_the_database_nothing_is_signed(tmp_path):
    """Neither heartbeats nor what was read before goes to who comes; once it is back, all is told."""
    async with feeding(tmp_path, heartbeat_seconds=0.02) as fed:
        stream = await fed.join()
        await fed.change(wake=False)
        fed.database.broken = True
        late = NotingStream()
        fed.feed.join(late, 0)
        heard = len(stream.events)
        await fed.database.asked(3)
        assert (len(stream.events), late.events) == (heard, [])
        fed.database.broken = False
        await stream.until(("status", 1), ("heartbeat", 1))
        await late.until(("status", 1), ("heartbeat", 1))


async def test_a_heartbeat_is_no_younger_than_what_it_says(fed):
    """Its time is read before the head: a change that was committed before that time is in it."""
    await fed.join()
    fed.database.at_the_clock = lambda: fed.change(wake=False)
    before = int(time.time())
    stream = await fed.join()
    said = await fed.verified(stream.events[-1])
    assert (said.is_heartbeat, said.seq, stream.seen[-1]) == (True, 1, ("heartbeat", 1))
    assert before <= said.issued_at <= int(time.time())


async def test_who_left_is_let_go(tmp_path):
    """And its handler is told, so that its place is free."""
    async with feeding(tmp_path, heartbeat_seconds=0.02) as fed:
        stream = await fed.join()
        stream.gone = True
        await stream.until_ended()
        assert len(fed.subscribers) == 0


async def test_who_does_not_read_is_dropped_and_the_others_hear_on(fed):
    """Before it is handed anything more."""
    slow, quick = await fed.join(), await fed.join()
    slow.stuck = True
    await fed.change()
    await quick.until(("status", 1))
    assert (slow.gone, slow.ended, slow.seen) == (True, True, [("heartbeat", 0)])


async def test_at_the_end_every_stream_ends(tmp_path):
    """Those that have just come too, and those that come afterwards."""
    async with feeding(tmp_path) as fed:
        there, coming, late = await fed.join(), NotingStream(), NotingStream()
        fed.feed.join(coming, None)
        await fed.feed.close()
        fed.feed.join(late, None)
        assert [stream.ended for stream in (there, coming, late)] == [True] * 3


async def test_who_leaves_is_handed_nothing_more(fed):
    """Neither before its first heartbeat nor later."""
    there, coming, stays = await fed.join(), NotingStream(), await fed.join()
    fed.feed.join(coming, None)
    fed.feed.leave(coming)
    fed.feed.leave(there)
    await fed.change()
    await stays.until(("status", 1))
    assert (there.seen, coming.seen) == ([("heartbeat", 0)], [])
