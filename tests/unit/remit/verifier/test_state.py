"""What is known of an issuer only ever becomes newer."""

import json

import pytest

from remit.bundle import Bundle
from remit.errors import InvalidInputError, StaleError, TokenInvalidError
from remit.jose import public_jwk
from remit.statuslist import StatusList
from remit.verifier.core import check_now, verify_token
from remit.verifier.state import Deadlines, Snapshot
from tests.fakes.known import RULES, STALENESS, at, issuer_state, list_token, snapshot
from tests.vectors import world


def _with_list(state, seconds, **changes):
    return state.with_list(list_token(issued_at=world.NOW + seconds, **changes), at(seconds), STALENESS)


def test_a_newer_list_is_taken_and_fresh_for_the_bound():
    """Freshness runs from the list's `iat` on one clock and from its request on the other."""
    state = _with_list(_with_list(issuer_state(), 0), 5)
    assert state.lists[world.LIST].deadlines == Deadlines(world.NOW + 15, 15.0)


@pytest.mark.parametrize(("seconds", "seq"), [(5, 6), (-1, 7)])
def test_a_lower_seq_or_an_older_list_renews_nothing(seconds, seq):
    """A lagging or replayed list changes neither the statuses nor the deadlines."""
    known = _with_list(issuer_state(), 0, seq=7)
    assert _with_list(known, seconds, seq=seq, statuses=StatusList.pack({}, size=world.LIST_SIZE)) is known


def test_a_list_is_not_fresh_beyond_its_own_expiry():
    """`exp` bounds a list as well, when it is nearer than the staleness bound."""
    state = issuer_state().with_list(list_token(), at(0), 3600.0)
    assert state.lists[world.LIST].deadlines.wall == world.NOW + 60


def test_a_list_never_changes_its_shape():
    """Fewer indexes, or another width, would read other grants' statuses."""
    known = _with_list(issuer_state(), 0)
    for statuses in (StatusList.pack({}, size=512), StatusList.pack({}, size=world.LIST_SIZE, bits=1)):
        with pytest.raises(InvalidInputError):
            _with_list(known, 5, statuses=statuses)


def test_a_list_that_is_no_longer_announced_is_dropped():
    """Its tokens are refused from then on, at once."""
    state = _with_list(issuer_state(), 0).only_lists([f"{world.ISSUER}/statuslists/2"])
    with pytest.raises(TokenInvalidError) as refused:
        verify_token(world.sign(world.claims()), Snapshot([state]), RULES)
    assert refused.value.code == "unknown_status_list"


def test_a_list_that_comes_back_older_is_not_accepted_by():
    """An old announcement, which a cache kept, takes back nothing that was enforced before the list was dropped."""
    second = f"{world.ISSUER}/statuslists/2"
    state = _with_list(issuer_state(), 0, seq=7)
    state = state.only_lists([second]).only_lists([world.LIST])
    state = state.with_list(list_token(seq=6), at(1), STALENESS)
    accepted = verify_token(world.sign(world.claims()), Snapshot([state]), RULES)
    with pytest.raises(StaleError):
        check_now(accepted, Snapshot([state]), at(1))
    assert state.lacks_changes
    check_now(accepted, Snapshot([state.with_list(list_token(seq=7), at(1), STALENESS)]), at(1))


def test_all_lists_of_an_issuer_have_a_bound(monkeypatch):
    """One that unpacks to too much, with the others, is refused; what is known stays, and goes on to be renewed."""
    statuses = StatusList.pack({}, size=4096)
    monkeypatch.setattr("remit.verifier.state.MAX_ISSUER_BYTES", 2048)
    known = issuer_state()
    for number in (1, 2):
        known = known.with_list(list_token(f"{world.ISSUER}/statuslists/{number}", statuses=statuses), at(0), STALENESS)
    with pytest.raises(InvalidInputError) as refused:
        known.with_list(list_token(f"{world.ISSUER}/statuslists/3", statuses=statuses), at(0), STALENESS)
    assert refused.value.code == "status_list_too_large"
    assert known.with_list(list_token(world.LIST, seq=2, statuses=statuses), at(1), STALENESS) is not known


def _bundle(key, *, kid="key-1", sequence=1):
    document = {"keys": [public_jwk(key) | {"kid": kid, "use": "jwt-svid"}], "spiffe_sequence": sequence}
    return Bundle.parse(json.dumps(document).encode(), issuer_state().metadata.trust_domain)


def test_a_bundle_with_a_lower_sequence_is_ignored():
    """An old bundle cannot bring a removed key back, nor pass for fresh."""
    known = issuer_state().with_bundle(_bundle(world.KEY, sequence=5), Deadlines(world.NOW + 1, 1.0))
    assert known.with_bundle(_bundle(world.FOREIGN_KEY, sequence=4), Deadlines(world.NOW + 9, 9.0)) is known


def test_the_epoch_changes_with_the_keys_and_with_nothing_else():
    """Remembered signatures survive a re-read bundle and a new list, not a changed key, even under the same kid."""
    first = Snapshot([_with_list(issuer_state(), 0)])
    state = first.issuers[world.ISSUER]
    same = Snapshot([_with_list(state.with_bundle(_bundle(world.KEY, sequence=2), state.bundle_deadlines), 5)], first)
    assert same.epoch is first.epoch
    for bundle in (_bundle(world.FOREIGN_KEY, sequence=2), _bundle(world.KEY, kid="key-2", sequence=2)):
        changed = Snapshot([state.with_bundle(bundle, state.bundle_deadlines)], first)
        assert changed.epoch is not first.epoch
    assert Snapshot([], first).epoch is not first.epoch


def test_a_bundle_that_is_not_read_again_goes_stale():
    """Fresh lists do not help when the keys have not been confirmed for too long."""
    state = _with_list(issuer_state().with_bundle(_bundle(world.KEY), Deadlines(world.NOW + 3, 3.0)), 0)
    known = Snapshot([state])
    outcome = verify_token(world.sign(world.claims()), known, RULES)
    check_now(outcome, known, at(2))
    with pytest.raises(StaleError):
        check_now(outcome, known, at(4))


def test_remembered_headers_are_bounded():
    """A flood of header spellings does not grow the memory without end."""
    keys = snapshot().issuers[world.ISSUER].token_keys
    for number in range(1000):
        head = world.compact(world.header()).replace(b",", b"," + b" " * number, 1)[:900]
        if head.endswith(b"}"):
            keys.check_of(world.sign(b"{}", head).partition(".")[0])
    assert len(keys._checks) <= 256
