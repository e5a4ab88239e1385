"""Recorded changes as events: what they say, and what they are dated and signed with."""

import time

import pytest

from issuer.changes import Change
from issuer.keys import Purpose
from issuer.registry.operators import register_first_operator
from issuer.registry.roles import Operator, Role
from issuer.status.model import Mark
from remit.secevent import MAX_MARKS, StatusMark
from tests.fakes.feeding import ISSUER, feeding

LIST = f"{ISSUER}/statuslists/1"
OPERATOR = Operator(name="ana", role=Role.ADMIN)


@pytest.fixture
async def fed(tmp_path):
    async with feeding(tmp_path) as fed:
        yield fed


async def told(fed, *marks, **change):
    """The event that tells of a change."""
    stream = await fed.join()
    await fed.change(*marks, **change)
    await stream.until(("status", stream.events[0].seq + 1))
    return await fed.verified(stream.events[-1])


async def test_it_names_what_changed(fed):
    """Every status, of whatever list, with what it says now."""
    event = await told(fed, Mark(1, 7, 1), Mark(2, 3, 2), Mark(1, 9, 0))
    assert set(event.marks) == {
        StatusMark(LIST, 7, 1),
        StatusMark(f"{ISSUER}/statuslists/2", 3, 2),
        StatusMark(LIST, 9, 0),
    }
    assert (event.lists, event.keys, event.seq) == ((), (), 1)


async def test_of_too_many_it_names_the_lists(fed):
    """Those are to be read anew."""
    event = await told(fed, *(Mark(1 + index % 2, index, 1) for index in range(MAX_MARKS + 1)))
    assert (event.marks, event.lists) == ((), (LIST, f"{ISSUER}/statuslists/2"))


async def test_it_names_the_keys_that_are_tainted(fed):
    """Nothing else, when nothing else changed."""
    event = await told(fed, keys=("kid-1", "kid-2"))
    assert (event.keys, event.marks, event.lists) == (("kid-1", "kid-2"), (), ())


async def test_it_is_dated_by_its_commit(fed):
    """Also when it is told later: it says nothing of how things stood then."""
    await fed.change(wake=False)
    await fed.database.transaction(lambda tx: tx.execute("UPDATE status_changes SET committed_at_ms = 1700000000999"))
    stream = await fed.join(0)
    assert (await fed.verified(stream.events[0])).issued_at == 1_700_000_000
    assert (await fed.verified(stream.events[1])).issued_at >= int(time.time()) - 1


async def test_it_says_which_bundle_is_in_force(fed):
    """The `spiffe_sequence` of the moment, in events and heartbeats."""
    now = int(time.time())
    await fed.database.transaction(lambda tx: register_first_operator(tx, OPERATOR.name, now * 1000))
    before = (await fed.keys.published(Purpose.TOKEN, now=now)).sequence
    stream = await fed.join()
    assert (await fed.verified(stream.events[-1])).bundle_seq == before
    await fed.keys.rotate(Change(OPERATOR, now * 1000), Purpose.TOKEN)
    assert (await told(fed)).bundle_seq == before + 1
    assert (await fed.verified((await fed.join()).events[-1])).bundle_seq == before + 1
