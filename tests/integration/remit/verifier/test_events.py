"""A verifier follows the stream of status events; whatever becomes of them on their way, it knows what was revoked, or refuses."""

import logging
import random
import threading
import time

import pytest

from remit.errors import RevokedError, StaleError, SuspendedError, TokenInvalidError
from remit.verifier import IssuerWatch, Verifier
from tests.fakes.forking import in_child
from tests.fakes.outcomes import outcome_of, wait_for, wait_until
from tests.fakes.public_issuer import AUDIENCE, PublicIssuer, SigningKey

RARELY = {"poll_interval": 1.5, "max_staleness": 3.0, "start_timeout": 5.0}
"""The times of a verifier that polls so seldom that what it notices quickly came on the stream."""

LISTS = "/statuslists"


@pytest.fixture
def issuer():
    """An issuer that streams its events."""
    with PublicIssuer(events=True) as running:
        yield running


@pytest.fixture
def verifier(issuer):
    """A verifier that hears its heartbeats."""
    with Verifier(issuer.url, AUDIENCE, **RARELY) as running:
        hears(issuer, running)
        yield running


def hears(issuer, verifier):
    """Wait until the stream has confirmed what is known."""
    state = verifier.watch.snapshot.issuers[issuer.url]
    read_at = max(known.issued_at for known in state.lists.values())

    def confirmed():
        newer = verifier.watch.snapshot.issuers[issuer.url]
        return newer.announced.seq == issuer.seq and all(each.issued_at > read_at for each in newer.lists.values())

    wait_until(confirmed)


def _reads(issuer):
    return issuer.requests.count(LISTS)


def test_a_revocation_takes_effect_as_it_is_told(issuer, verifier):
    """Suspended, resumed and revoked within a blink, and no list is read for it."""
    token = issuer.token()
    verifier.verify(token)
    reads = _reads(issuer)
    for status, expected in ((2, SuspendedError), (0, None), (1, RevokedError)):
        issuer.set_status(412, status)
        assert wait_for(verifier, token, expected) < 0.5
    assert verifier.verify(issuer.token(index=413)).account == "acme"
    assert _reads(issuer) == reads


def test_nothing_is_polled_while_the_stream_speaks(issuer, verifier):
    """Heartbeats alone keep everything fresh, for longer than the bound."""
    token = issuer.token()
    reads = _reads(issuer)
    ends = time.monotonic() + 3.5
    while time.monotonic() < ends:
        assert outcome_of(verifier, token) is None
        time.sleep(0.01)
    assert _reads(issuer) == reads


def test_the_last_event_lost_is_noticed_by_the_heartbeat(issuer, verifier):
    """No later event shows the gap: the head that the heartbeat names does, and the lists are read at once."""
    issuer.feed.transform = lambda frame: [frame.data] if frame.event.is_heartbeat else []
    token = issuer.token()
    issuer.set_status(412, 1)
    assert wait_for(verifier, token, RevokedError) < 1.0


def test_a_lost_event_is_noticed_by_the_next(issuer, verifier):
    """Also where heartbeats are lost."""
    lost = issuer.seq + 1
    issuer.feed.transform = lambda frame: [] if frame.event.is_heartbeat or frame.event.seq == lost else [frame.data]
    issuer.set_status(412, 1)
    issuer.set_status(413, 1)
    assert wait_for(verifier, issuer.token(), RevokedError) < 1.0


def _twice(frame):
    return [frame.data, frame.data]


def _late(frame):
    time.sleep(random.uniform(0, 0.05))
    return [frame.data]


def _in_pieces(frame):
    return [frame.data[place : place + 7] for place in range(0, len(frame.data), 7)]


class _Shuffled:
    """Holds frames back and lets them go in another order."""

    def __init__(self):
        self.held = []

    def __call__(self, frame):
        self.held.append(frame.data)
        if len(self.held) < 4:
            return []
        random.shuffle(self.held)
        released, self.held = self.held, []
        return released


@pytest.mark.parametrize(
    "transform", [_twice, _late, _in_pieces, _Shuffled()], ids=["twice", "late", "cut", "shuffled"]
)
def test_many_changes_on_a_bad_line(issuer, verifier, transform):
    """Repeated, late, cut up and out of order: in the end every status is right, and nothing was stale meanwhile."""
    issuer.feed.transform = transform
    tokens = {index: issuer.token(index=index, jti=f"t{index}") for index in range(400, 410)}
    for _ in range(60):
        index = random.choice(list(tokens))
        issuer.set_status(index, random.choice([0, 2]))
        assert outcome_of(verifier, tokens[index]) in (None, SuspendedError)
    for index, token in tokens.items():
        wait_for(verifier, token, SuspendedError if issuer.statuses[1].get(index) else None)


def test_an_old_head_that_is_signed_as_new_renews_nothing(issuer, verifier):
    """A partitioned issuer: its heartbeats and lists are young, and lack a revocation that was announced."""
    token = issuer.token()
    issuer.set_status(412, 1)
    wait_for(verifier, token, RevokedError)
    old = issuer.seq - 1
    issuer.feed.heartbeat_changes = {"seq": old}
    for number in (1, 2):
        issuer.answers[f"{LISTS}/{number}"] = lambda path: (
            200,
            {},
            issuer.status_list(int(path[-1]), seq=old).encode(),
        )
    issuer.statuses[1].clear()
    other = issuer.token(index=413)
    started = time.monotonic()
    while outcome_of(verifier, other) is None:
        assert outcome_of(verifier, token) in (RevokedError, StaleError)
        assert time.monotonic() < started + 4
        time.sleep(0.01)
    assert {outcome_of(verifier, token), outcome_of(verifier, other)} == {StaleError}


def test_an_announced_change_that_nobody_serves_makes_everything_stale(issuer, verifier):
    """The event was lost and the lists are of an issuer that does not know of it: what is known ages from then on."""
    issuer.feed.transform = lambda frame: [frame.data] if frame.event.is_heartbeat else []
    old = issuer.seq
    for number in (1, 2):
        issuer.answers[f"{LISTS}/{number}"] = lambda path: (
            200,
            {},
            issuer.status_list(int(path[-1]), seq=old).encode(),
        )
    issuer.seq += 1
    assert wait_for(verifier, issuer.token(), StaleError) < 4.5


def test_old_heartbeats_renew_nothing(issuer, verifier):
    """The same one again and again, rightly signed; lists that answer 304 do not help."""
    kept = issuer.feed.frame(issuer.feed.heartbeat()).data
    issuer.feed.transform = lambda _: [kept]
    issuer.answers[LISTS] = lambda _: (304, {}, b"")
    assert 1.0 < wait_for(verifier, issuer.token(), StaleError) < 4.5


def test_events_of_another_signer_do_nothing(issuer, verifier):
    """What they say is not believed, and the lists, which are rightly signed, keep everything fresh."""
    issuer.feed.signing_key = SigningKey("status-1", 999)
    issuer.feed.publish(marks=[(1, 412, 1)])
    token = issuer.token()
    ends = time.monotonic() + 3.5
    while time.monotonic() < ends:
        assert outcome_of(verifier, token) is None
        time.sleep(0.02)
    issuer.feed.signing_key = None
    issuer.set_status(412, 1)
    wait_for(verifier, token, RevokedError)


def test_a_rotated_status_key_is_read_before_its_events_count(issuer, verifier):
    """An event by a key that is not known makes the verifier read keys and lists."""
    issuer.status_key = SigningKey("status-2", 303)
    issuer.set_status(412, 1)
    assert wait_for(verifier, issuer.token(), RevokedError) < 1.0
    issuer.set_status(413, 1)
    assert wait_for(verifier, issuer.token(index=413), RevokedError) < 1.0


def test_a_tainted_key_is_dropped_at_the_event(issuer, verifier):
    """Before, and without, reading the bundle: the one that a cache keeps does not bring it back."""
    token = issuer.token()
    verifier.verify(token)
    old = issuer.answer("/bundle")
    issuer.answers["/bundle"] = lambda _: old
    issuer.taint(SigningKey("key-2", 104))
    assert wait_for(verifier, token, TokenInvalidError) < 0.5
    new = issuer.token()
    assert outcome_of(verifier, new) is TokenInvalidError
    del issuer.answers["/bundle"]
    wait_for(verifier, new, None)
    assert outcome_of(verifier, token) is TokenInvalidError


def test_a_new_bundle_is_read_before_anything_is_renewed(issuer, verifier):
    """A heartbeat that names a newer bundle than can be read makes nothing fresher."""
    issuer.answers["/bundle"] = lambda _: (500, {}, b"")
    issuer.sequence += 1
    token = issuer.token()
    assert wait_for(verifier, token, StaleError) < 4.5
    issuer.answers.clear()
    wait_for(verifier, token, None)


def test_too_many_changes_to_name_are_read(issuer, verifier):
    """The event says which lists to read anew."""
    issuer.statuses[1].update(dict.fromkeys(range(400, 1000), 1))
    issuer.seq += 1
    issuer.feed.publish(lists=[issuer.list_uri()])
    assert wait_for(verifier, issuer.token(), RevokedError) < 1.0


def test_a_new_list_is_known_at_its_first_event(issuer, verifier):
    """Though nothing is polled: an event that names an unknown list makes the verifier read what is announced."""
    issuer.statuses[3] = {}
    issuer.set_status(1, 1, number=3)
    assert wait_for(verifier, issuer.token(number=3, index=1), RevokedError) < 1.0
    assert outcome_of(verifier, issuer.token(number=3, index=2)) is None


def test_what_was_missed_while_disconnected_is_told_again(issuer, verifier):
    """The stream is asked for from what is applied on; nothing counts on having been connected."""
    issuer.feed.refusal = (503, {}, b"")
    issuer.feed.cut()
    wait_until(lambda: len(issuer.feed.subscriptions) > 1)
    applied = issuer.seq
    issuer.answers[LISTS] = lambda _: (500, {}, b"")
    issuer.set_status(412, 1)
    issuer.set_status(413, 1)
    issuer.feed.refusal = None
    wait_for(verifier, issuer.token(), RevokedError)
    assert issuer.feed.subscriptions[-1][1]["last-event-id"] == str(applied)


def test_a_stream_that_is_cut_in_an_event_is_opened_again(issuer, verifier):
    """Half an event is none."""

    def cut_once(frame):
        if frame.event.is_heartbeat:
            return [frame.data]
        issuer.feed.transform = lambda frame: [frame.data]
        issuer.feed.cut()
        return [frame.data[:40]]

    issuer.feed.transform = cut_once
    streams = len(issuer.feed.subscriptions)
    issuer.set_status(412, 1)
    assert wait_for(verifier, issuer.token(), RevokedError) < 1.5
    wait_until(lambda: len(issuer.feed.subscriptions) > streams)


def test_a_cut_off_verifier_is_stale_at_its_bound(issuer, verifier):
    """Neither before nor long after; and it accepts again once the issuer is heard."""
    token = issuer.token()
    issuer.pause()
    assert 1.0 < wait_for(verifier, token, StaleError) < 4.0
    issuer.resume()
    wait_for(verifier, token, None)


def test_a_machine_that_slept_accepts_nothing_before_it_has_heard_the_issuer(issuer, verifier, monkeypatch):
    """The clock that counts suspend has gone on, though nothing else seems to have happened."""
    token = issuer.token()
    verifier.verify(token)
    issuer.pause()
    for module in ("acceptor", "refresh"):
        monkeypatch.setattr(f"remit.verifier.{module}.clock_gettime", lambda which: time.clock_gettime(which) + 3600)
    assert outcome_of(verifier, token) is StaleError
    issuer.set_status(412, 2)
    issuer.resume()
    wait_for(verifier, token, SuspendedError)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_follows_by_itself_and_leaves_the_parent_its_stream(issuer, verifier):
    """Each hears what happens after the fork, on a stream of its own."""
    token = issuer.token()
    streams = len(issuer.feed.subscriptions)

    def work():
        wait_for(verifier, token, None)
        hears(issuer, verifier)
        return outcome_of(verifier, token)

    assert in_child(work) is None
    assert len(issuer.feed.subscriptions) == streams + 1
    issuer.set_status(412, 1)
    assert wait_for(verifier, token, RevokedError) < 0.5
    assert len(issuer.feed.subscriptions) == streams + 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("where", [lambda work: work(), in_child], ids=["here", "in-a-forked-child"])
def test_a_dead_issuer_makes_no_other_stale(issuer, where):
    """Each has a thread of its own; in a forked child too, once it has loaded both."""
    with (
        PublicIssuer("other.example", events=True) as other,
        Verifier([issuer.url, other.url], AUDIENCE, **RARELY) as verifier,
    ):
        ours, theirs = issuer.token(), other.token()

        def work():
            wait_for(verifier, theirs, None)
            wait_for(verifier, theirs, StaleError)
            return {outcome_of(verifier, ours) for _ in range(100) if time.sleep(0.005) is None}

        dying = threading.Timer(0.5, other.pause)
        dying.start()
        assert where(work) == {None}
        dying.join()


def test_what_is_allowed_when_stale(issuer, caplog):
    """What was known last goes on counting and is said once; a key that was never known is still refused; and back."""
    caplog.set_level(logging.INFO, "remit.verifier")
    with Verifier(issuer.url, AUDIENCE, **RARELY, on_stale="allow") as verifier:
        good, revoked = issuer.token(), issuer.token(index=413)
        issuer.set_status(413, 1)
        wait_for(verifier, revoked, RevokedError)
        issuer.pause()
        wait_until(lambda: "what was known last counts on" in caplog.text)
        assert (outcome_of(verifier, good), outcome_of(verifier, revoked)) == (None, RevokedError)
        assert outcome_of(verifier, issuer.sign(issuer.claims(), SigningKey("key-9", 105))) is TokenInvalidError
        assert outcome_of(verifier, issuer.token(number=4)) is TokenInvalidError
        issuer.resume()
        wait_until(lambda: "is heard again" in caplog.text)
        assert caplog.text.count("what was known last counts on") == 1


def test_changes_are_told_and_renewals_are_not(issuer):
    """Whoever keeps tokens hears of each change after it is published, in the watching thread; a failing hook harms nothing."""
    seen = []

    def changed():
        seen.append(watch.snapshot.issuers[issuer.url].applied)
        raise RuntimeError

    watch = IssuerWatch(issuer.url, on_change=changed, **RARELY)
    watch.start()
    try:
        time.sleep(1.5)
        assert len(seen) == 1
        issuer.set_status(412, 1)
        wait_until(lambda: seen == [1, 2])
        issuer.taint(SigningKey("key-2", 104))
        wait_until(lambda: len(seen) >= 4)  # dropped, then replaced
    finally:
        watch.stop()
