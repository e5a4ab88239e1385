"""Events are applied in order and once; only a heartbeat that names exactly what is applied makes anything fresher."""

import json

import pytest

from remit.bundle import Bundle
from remit.errors import InvalidInputError, RevokedError, StaleError, TokenInvalidError
from remit.jose import public_jwk
from remit.secevent import StatusEvent, StatusMark
from remit.statuslist import StatusList
from remit.verifier.core import check_now, verify_token
from remit.verifier.following import follow
from remit.verifier.state import NEVER, Deadlines, Snapshot
from tests.fakes.known import RULES, STALENESS, at, issuer_state, list_token
from tests.vectors import world

SECOND_LIST = f"{world.ISSUER}/statuslists/2"


def _state(*, seq=5, second=5, **changes):
    """An issuer of two lists, each read at time 0 with the head that it includes."""
    statuses = StatusList.pack({}, size=world.LIST_SIZE)
    state = issuer_state(**changes).with_list(list_token(seq=seq, statuses=statuses), at(0), STALENESS)
    return state.with_list(list_token(SECOND_LIST, seq=second, statuses=statuses), at(0), STALENESS)


def _event(seq, *marks, seconds=1, bundle_seq=0, **changes):
    """A change of the statuses `(uri, idx, value)`, or without any a heartbeat."""
    named = tuple(StatusMark(*mark) for mark in marks)
    issued_at = world.NOW + seconds
    return StatusEvent(issuer=world.ISSUER, issued_at=issued_at, seq=seq, bundle_seq=bundle_seq, marks=named, **changes)


def _followed(state, *events, seconds=1):
    return follow(state, events, at(seconds), STALENESS).state


def _status(state, index, uri=world.LIST):
    return StatusList(2, state.lists[uri].data).get(index)


def _freshness(state):
    return {known.deadlines for known in state.lists.values()}


FRESH_SINCE_0 = Deadlines(world.NOW + STALENESS, STALENESS)
FRESH_SINCE_1 = Deadlines(world.NOW + 1 + STALENESS, 1 + STALENESS)


def test_the_next_change_is_applied():
    """Its statuses count from then on, and every list includes it; the lists are no fresher for it."""
    state = _followed(_state(), _event(6, (world.LIST, 412, 1), (SECOND_LIST, 7, 2)))
    assert (_status(state, 412), _status(state, 7, SECOND_LIST), _status(state, 413)) == (1, 2, 0)
    assert (state.applied, _freshness(state)) == (6, {FRESH_SINCE_0})


def test_changes_that_came_together_are_applied_in_order():
    """The last value of an index stands."""
    state = _followed(_state(), *(_event(6 + n, (world.LIST, 412, value)) for n, value in enumerate((2, 0, 2, 0, 1))))
    assert (_status(state, 412), state.applied) == (1, 10)


def test_what_was_known_is_not_changed():
    """Verifications that are under way read the values that they began with."""
    before = _state()
    _followed(before, _event(6, (world.LIST, 412, 1)))
    assert (_status(before, 412), before.applied) == (0, 5)


@pytest.mark.parametrize("seq", [4, 5])
def test_a_change_that_is_applied_already_is_ignored(seq):
    """A repeated or late event takes nothing back, and renews nothing."""
    before = _followed(_state(seq=4, second=4), _event(5, (world.LIST, 412, 1)))
    state = _followed(before, _event(seq, (world.LIST, 412, 0), seconds=8), seconds=8)
    assert (_status(state, 412), state.applied, _freshness(state)) == (1, 5, _freshness(before))


def test_a_list_that_includes_a_change_skips_it():
    """It was read later than the other: what it says is newer than the event."""
    before = _state(second=7)
    state = _followed(before, _event(6, (world.LIST, 412, 1), (SECOND_LIST, 7, 2)))
    assert (_status(state, 412), _status(state, 7, SECOND_LIST)) == (1, 0)
    assert [known.seq for known in state.lists.values()] == [6, 7]


def test_after_a_gap_nothing_is_applied_and_nothing_is_renewed():
    """Neither the later change nor a heartbeat that names it: the lists are missing something."""
    state = _followed(_state(), _event(7, (world.LIST, 412, 1)), _event(7))
    assert (_status(state, 412), state.applied, state.lacks_changes) == (0, 5, True)
    assert _freshness(state) == {FRESH_SINCE_0}


def test_a_gap_is_closed_by_lists_that_include_it():
    """What was read anew counts, and later events follow on it."""
    state = _followed(_state(), _event(7))
    for uri in (world.LIST, SECOND_LIST):
        statuses = StatusList.pack({412: 1}, size=world.LIST_SIZE)
        state = state.with_list(list_token(uri, seq=7, issued_at=world.NOW + 2, statuses=statuses), at(2), STALENESS)
    state = _followed(state, _event(8, (world.LIST, 413, 1)))
    assert (_status(state, 412), _status(state, 413), state.lacks_changes) == (1, 1, False)


@pytest.mark.parametrize("uri", [world.LIST, SECOND_LIST])
def test_an_index_outside_its_list_is_left_to_the_lists(uri):
    """Nothing of that event is applied; the lists are to be read."""
    state = _followed(_state(), _event(6, (world.LIST, 412, 1), (uri, world.LIST_SIZE, 1)))
    assert (_status(state, 412), state.applied, state.lacks_changes) == (0, 5, True)


def test_lists_that_changed_in_too_many_places_are_to_be_read():
    """The event says which, not what: it is not applied."""
    state = _followed(_state(), _event(6, lists=(world.LIST,)), _event(6))
    assert (state.applied, state.lacks_changes, _freshness(state)) == (5, True, {FRESH_SINCE_0})


def test_a_status_in_an_unknown_list_is_told():
    """What is known of it is applied; the unknown list is to be read, and is not taken without this change."""
    third = f"{world.ISSUER}/statuslists/3"
    followed = follow(_state(), [_event(6, (world.LIST, 412, 1), (third, 1, 1))], at(1), STALENESS)
    assert (_status(followed.state, 412), followed.unknown_lists) == (1, True)
    late = followed.state.with_list(list_token(third, seq=5, issued_at=world.NOW + 2), at(2), STALENESS)
    assert third not in late.lists
    assert third in late.with_list(list_token(third, seq=6, issued_at=world.NOW + 2), at(2), STALENESS).lists


def test_a_heartbeat_renews_every_list():
    """It says that nothing was missed until its `iat`, and is as old as the older of that and its receipt."""
    state = _followed(_state(), _event(6, (world.LIST, 412, 1)), _event(6))
    assert _freshness(state) == {FRESH_SINCE_1}
    assert _status(state, 412) == 1


@pytest.mark.parametrize(
    "heartbeat",
    [_event(4), _event(6), _event(5, seconds=0), _event(5, seconds=-3), _event(5, bundle_seq=2)],
    ids=["lower-seq", "higher-seq", "same-time", "older", "newer-bundle"],
)
def test_another_heartbeat_renews_nothing(heartbeat):
    """An old or partitioned issuer's head, a missed change, a repeated heartbeat, or keys that are not known yet."""
    state = _followed(_state(), heartbeat, seconds=8)
    assert _freshness(state) == {FRESH_SINCE_0}


def test_a_repeated_heartbeat_renews_nothing():
    """Neither clock gains by hearing the same thing again."""
    state = _followed(_state(), _event(5))
    assert _freshness(_followed(state, _event(5), seconds=8)) == {FRESH_SINCE_1}


def test_a_heartbeat_with_an_old_head_renews_nothing_however_young():
    """A head that is lower than one that was named before is of an issuer that is cut off from the others."""
    state = _followed(_state(), _event(7), _event(5, seconds=8), seconds=8)
    assert _freshness(state) == {FRESH_SINCE_0}


def test_a_late_heartbeat_before_a_change_does_not_hide_it():
    """A heartbeat overtaken by the event after it renews nothing, and takes nothing back."""
    state = _followed(_state(), _event(6, (world.LIST, 412, 1)), _event(5))
    assert (_status(state, 412), _freshness(state)) == (1, {FRESH_SINCE_0})


def test_a_list_without_an_announced_change_is_no_younger_than_the_announcement():
    """A partitioned issuer that signs an old head as if it were new: its lists age from when the change was announced."""
    state = _followed(_state(), _event(6, (world.LIST, 412, 1), seconds=3, lists=(world.LIST,)), seconds=3)
    token = list_token(seq=5, issued_at=world.NOW + 9)
    assert state.with_list(token, at(9), STALENESS).lists[world.LIST].deadlines == Deadlines(
        world.NOW + 3 + STALENESS, 3 + STALENESS
    )


def test_a_list_under_a_newer_bundle_counts_once_the_bundle_is_read():
    """Its statuses count at once; it makes nothing fresher before, so a key that was taken back is not trusted longer."""
    statuses = StatusList.pack({412: 1}, size=world.LIST_SIZE)
    token = list_token(seq=6, issued_at=world.NOW + 5, statuses=statuses, bundle_seq=2)
    state = _state().with_list(token, at(5), STALENESS)
    assert (_status(state, 412), state.lists[world.LIST].deadlines, state.lacks_bundle) == (1, FRESH_SINCE_0, True)
    state = state.with_bundle(_bundle(world.KEY, sequence=2), state.bundle_deadlines)
    assert not state.lacks_bundle
    renewed = state.with_list(token, at(6), STALENESS).lists[world.LIST].deadlines
    assert renewed == Deadlines(world.NOW + 5 + STALENESS, 6 + STALENESS)


def test_an_unconfirmed_list_accepts_nothing():
    """A list that is new, and of a newer bundle than the known one, was never fresh; not even for who allows what is stale."""
    state = issuer_state().with_list(list_token(bundle_seq=2), at(0), STALENESS)
    assert state.lists[world.LIST].deadlines == NEVER
    for bounded in (True, False):
        known = Snapshot([state], bounded=bounded)
        with pytest.raises(StaleError):
            check_now(verify_token(world.sign(world.claims()), known, RULES), known, at(1))


def _bundle(key, *, kid="key-1", sequence=1):
    document = {"keys": [public_jwk(key) | {"kid": kid, "use": "jwt-svid"}], "spiffe_sequence": sequence}
    return Bundle.parse(json.dumps(document).encode(), issuer_state().metadata.trust_domain)


@pytest.mark.parametrize("seq", [3, 6, 9], ids=["old", "next", "after-a-gap"])
def test_a_tainted_key_is_dropped_at_once(seq):
    """In whatever order it is told, and before any bundle is read: what it signed counts no more, remembered or not."""
    before = Snapshot([_state()])
    state = _followed(_state(), _event(seq, keys=("key-1",)))
    after = Snapshot([state], before)
    assert after.epoch is not before.epoch
    with pytest.raises(TokenInvalidError) as refused:
        verify_token(world.sign(world.claims()), after, RULES)
    assert refused.value.code == "unknown_key"


def test_no_bundle_brings_a_tainted_key_back():
    """A cache that keeps the old document, of the same number or one that claims to be newer, does not help."""
    state = _followed(_state(), _event(6, keys=("key-1",), bundle_seq=2))
    for sequence in (0, 1, 2, 3):
        kept = state.with_bundle(_bundle(world.KEY, sequence=sequence), Deadlines(world.NOW + 99, 99.0))
        with pytest.raises(TokenInvalidError):
            verify_token(world.sign(world.claims()), Snapshot([kept]), RULES)
    new = state.with_bundle(_bundle(world.FOREIGN_KEY, kid="key-2", sequence=3), Deadlines(world.NOW + 99, 99.0))
    assert set(new.bundle.keys) == {"key-2"}


def test_a_change_of_keys_alone_is_applied():
    """The head advances, so that the verifier can say that it enforces it."""
    state = _followed(_state(), _event(6, keys=("key-9",)))
    assert (state.applied, state.lacks_changes) == (6, False)


def test_nothing_is_accepted_below_the_head_that_was_named():
    """Who registered is waited for, so it accepts only when it has what was named then; by events or by lists."""
    state = issuer_state(floor=6).with_list(list_token(seq=5), at(0), STALENESS)
    token = world.sign(world.claims())
    for bounded in (True, False):
        known = Snapshot([state], bounded=bounded)
        with pytest.raises(StaleError):
            check_now(verify_token(token, known, RULES), known, at(1))
    known = Snapshot([_followed(state, _event(6, (world.LIST, 9, 1)))])
    check_now(verify_token(token, known, RULES), known, at(1))


def test_what_is_allowed_when_stale_is_what_was_known_last():
    """Without a bound the newest statuses go on counting, for ever: neither clock ends them."""
    state = _followed(_state(), _event(6, (world.LIST, 413, 1)))
    known = Snapshot([state], bounded=False)
    good = verify_token(world.sign(world.claims()), known, RULES)
    check_now(good, known, at(290))
    claims = world.claims(status={"status_list": {"idx": 413, "uri": world.LIST}})
    with pytest.raises(RevokedError):
        check_now(verify_token(world.sign(claims), known, RULES), known, at(290))


def test_a_snapshot_agrees_while_only_time_passes():
    """A heartbeat, or a list read again with the same statuses, changes nothing that others must hear of; a status does."""
    state = _state()
    first = Snapshot([state])
    renewed = _followed(state, _event(5)).with_list(
        list_token(seq=5, issued_at=world.NOW + 3, statuses=StatusList.pack({}, size=world.LIST_SIZE)), at(3), STALENESS
    )
    assert Snapshot([renewed], first).agrees_with(first)
    for changed in (
        _followed(state, _event(6, (world.LIST, 412, 1))),
        _followed(state, _event(6, keys=("key-1",))),
        state.only_lists([world.LIST]),
    ):
        assert not Snapshot([changed], first).agrees_with(first)


def test_a_smaller_list_is_refused_however_it_comes():
    """A re-read list may not lose indexes."""
    with pytest.raises(InvalidInputError):
        _state().with_list(list_token(seq=6, statuses=StatusList.pack({}, size=64)), at(1), STALENESS)


def test_a_heartbeat_renews_nothing_that_went_stale():
    """An issuer that went back to an older copy of its database gave the numbers since then to other changes: only lists tell."""
    state = _state()
    revoked = StatusList.pack({412: 1}, size=world.LIST_SIZE)
    late = STALENESS + 1
    heard = _followed(state, _event(5, seconds=late), seconds=late)
    assert _freshness(heard) == {FRESH_SINCE_0}
    for uri, statuses in ((world.LIST, revoked), (SECOND_LIST, StatusList.pack({}, size=world.LIST_SIZE))):
        token = list_token(uri, issued_at=world.NOW + late, seq=5, statuses=statuses)
        heard = heard.with_list(token, at(late), STALENESS)
    heard = _followed(heard, _event(5, seconds=late + 1), seconds=late + 1)
    assert _status(heard, 412) == 1
    assert _freshness(heard) == {Deadlines(world.NOW + late + 1 + STALENESS, late + 1 + STALENESS)}
