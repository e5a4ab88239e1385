"""What a verifier does with a stream that is refused, held back, or no event stream at all: it polls, and tries again in time."""

import time

import pytest

from remit.errors import RevokedError
from remit.verifier import Verifier
from tests.fakes.outcomes import QUICK, outcome_of, wait_for, wait_until
from tests.fakes.public_issuer import AUDIENCE, PublicIssuer


@pytest.fixture
def issuer():
    """An issuer that streams its events, if it is let."""
    with PublicIssuer(events=True) as running:
        yield running


def _is_followed(issuer, *, seconds=1.0):
    """A verifier stays fresh, and a revocation takes effect within a poll or a bit more."""
    with Verifier(issuer.url, AUDIENCE, **QUICK) as verifier:
        good, revoked = issuer.token(), issuer.token(index=413)
        issuer.set_status(413, 1)
        assert wait_for(verifier, revoked, RevokedError) < 1.0
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            assert outcome_of(verifier, good) is None
            time.sleep(0.01)


@pytest.mark.parametrize(
    "refusal",
    [
        (404, {}, b""),
        (401, {"WWW-Authenticate": "Bearer"}, b""),
        (500, {}, b""),
        (204, {}, b""),
        (302, {"Location": "/status/events"}, b""),
        (304, {}, b""),
        (200, {"Content-Type": "application/json"}, b"{}"),
        (200, {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}, b"\x1f\x8b"),
    ],
    ids=["404", "401", "500", "204", "redirect", "304", "json", "gzip"],
)
def test_without_a_stream_the_lists_are_polled(issuer, refusal):
    """Whatever it is that is answered; and it is not asked for again and again."""
    issuer.feed.refusal = refusal
    _is_followed(issuer)
    assert 1 <= len(issuer.feed.subscriptions) < 8


def test_too_many_subscribers_come_again_when_they_are_told_to(issuer):
    """429 with Retry-After: not sooner; meanwhile the lists are polled."""
    issuer.feed.refusal = (429, {"Retry-After": "2"}, b"")
    _is_followed(issuer, seconds=1.7)
    assert len(issuer.feed.subscriptions) == 1


def test_a_proxy_that_buffers_is_polled_behind(issuer):
    """Nothing comes, not even the head of the answer: nobody waits for it."""
    issuer.feed.holding = True
    _is_followed(issuer)


def test_a_stream_without_events_is_polled_beside(issuer):
    """The head comes and nothing after it."""
    issuer.feed.transform = lambda _: []
    _is_followed(issuer)


@pytest.mark.parametrize(
    "sent",
    [
        b"x" * 65536,
        b": " + b"x" * 65536 + b"\n",
        b"data: " + b"x" * 65536 + b"\n",
        b"data: x.y.z\n\n" * 1000,
        b"\0\n\n",
    ],
    ids=["endless-line", "comments", "endless-event", "no-tokens", "nothing"],
)
def test_a_flood_of_what_is_no_event(issuer, sent):
    """It is neither kept nor waited for."""
    issuer.feed.heartbeat_seconds = 0.001
    issuer.feed.transform = lambda _: [sent]
    _is_followed(issuer, seconds=2.0)


def test_a_dripping_stream_holds_nobody_up(issuer):
    """One byte at a time: the lists are polled beside it."""

    def drip(frame):
        for place in range(len(frame.data)):
            time.sleep(0.01)
            yield frame.data[place : place + 1]

    issuer.feed.transform = drip
    _is_followed(issuer, seconds=2.0)


def test_a_stream_that_speaks_again_is_followed_again(issuer):
    """After it was silent for a while nothing is polled any more."""
    issuer.feed.transform = lambda _: []
    with Verifier(issuer.url, AUDIENCE, poll_interval=1.0, max_staleness=10.0) as verifier:
        wait_until(lambda: issuer.requests.count("/statuslists") > 2)
        issuer.feed.transform = lambda frame: [frame.data]
        time.sleep(1.2)
        reads = issuer.requests.count("/statuslists")
        issuer.set_status(412, 1)
        assert wait_for(verifier, issuer.token(), RevokedError) < 0.5
        time.sleep(2.0)
        assert issuer.requests.count("/statuslists") == reads
