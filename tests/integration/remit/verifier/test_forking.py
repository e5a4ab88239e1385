"""A forked child: nothing of the parent's counts in it, and nothing holds it up for long."""

import asyncio
import contextlib
import threading
import time

import pytest

from remit.errors import RevokedError, StaleError, UnavailableError
from remit.verifier import Verifier
from tests.fakes.forking import in_child
from tests.fakes.outcomes import QUICK, outcome_of, wait_for
from tests.fakes.public_issuer import AUDIENCE, PublicIssuer

pytestmark = pytest.mark.filterwarnings(  # Python 3.12: that is what is tested
    "ignore:.*multi-threaded.*fork:DeprecationWarning"
)


@contextlib.contextmanager
def _held_by_another_thread(*locks):
    held, release = threading.Event(), threading.Event()

    def hold():
        with contextlib.ExitStack() as stack:
            for lock in locks:
                stack.enter_context(lock)
            held.set()
            release.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    yield
    release.set()
    thread.join()


@pytest.fixture
def away(issuer):
    """A verifier that was loaded with short patience, and whose issuer hangs since."""
    with Verifier(issuer.url, AUDIENCE, **QUICK | {"start_timeout": 0.5}) as verifier:
        issuer.pause()
        yield verifier
        issuer.resume()


def _timed(verifier, token):
    started = time.monotonic()
    return outcome_of(verifier, token), time.monotonic() - started


@pytest.mark.parametrize("reachable", [True, False])
@pytest.mark.parametrize("mid_answer", [True, False])
def test_a_forked_child_loads_before_it_accepts(issuer, verifier, reachable, mid_answer):
    """What the parent knew counts for nothing in the child: it loads its own state, or refuses.

    The fork may come while the parent's thread waits for an answer.
    """
    token = issuer.token()
    verifier.verify(token)
    if mid_answer:
        issuer.drip_seconds = 0.002
        asked = len(issuer.requests)
        while len(issuer.requests) == asked:
            time.sleep(0.001)
        issuer.drip_seconds = 0
    issuer.set_status(412, 1)
    if not reachable:
        issuer.answers["/bundle"] = lambda _: (500, {}, b"")
    verifier.watch._start_timeout = 1.0
    assert in_child(lambda: outcome_of(verifier, token)) is (RevokedError if reachable else StaleError)
    wait_for(verifier, token, RevokedError)


def test_no_lock_stays_locked_in_a_child(issuer, verifier):
    """Another thread of the parent holds every lock at the moment of the fork; the child goes on without it."""
    token = issuer.token()

    def work():
        with verifier._replays._lock:
            return outcome_of(verifier, token)

    with _held_by_another_thread(verifier._replays._lock, verifier.watch._lock, verifier.watch._turnover):
        assert in_child(work) is None


def test_a_child_waits_once_for_an_issuer_that_is_away(issuer, away):
    """The first call waits for `start_timeout`; the others are refused at once and say why."""
    token = issuer.token()

    def work():
        first, *others = [_timed(away, token) for _ in range(4)]
        with pytest.raises(StaleError) as refused:
            away.verify(token)
        return first, others, refused.value.detail

    first, others, detail = in_child(work)
    assert first[0] is StaleError
    assert 0.4 < first[1] < 1.5
    assert [outcome for outcome, _ in others] == [StaleError] * 3
    assert max(seconds for _, seconds in others) < 0.1
    assert detail.startswith(f"not loaded yet: {issuer.url}: ")


def test_threads_of_a_child_wait_together(issuer, away):
    """Nobody waits for the whole time after another did."""
    token = issuer.token()

    def work():
        started = time.monotonic()
        threads = [threading.Thread(target=outcome_of, args=(away, token)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - started

    assert 0.4 < in_child(work) < 1.5


def test_a_child_accepts_as_soon_as_the_issuer_is_back(issuer, away):
    """The load goes on behind the refusals."""
    token = issuer.token()

    def work():
        refused = outcome_of(away, token)
        wait_for(away, token, None)
        return refused

    threading.Timer(1.2, issuer.resume).start()
    assert in_child(work) is StaleError


def test_a_child_accepts_nothing_before_every_issuer_is_loaded(issuer):
    """A part of the state is no state: a token of an issuer that is not loaded yet is not taken for a stranger's."""
    with (
        PublicIssuer("other.example") as other,
        Verifier([issuer.url, other.url], AUDIENCE, **QUICK | {"start_timeout": 0.5}) as verifier,
    ):
        other.pause()
        tokens = issuer.token(), other.token()
        assert in_child(lambda: [outcome_of(verifier, token) for token in tokens * 20]) == [StaleError] * 40


def test_an_event_loop_in_a_child_is_held_up_for_a_second_at_most(issuer):
    """However long `start_timeout` is; waiting beside the loop is `start` in a thread."""
    with Verifier(issuer.url, AUDIENCE, **QUICK | {"start_timeout": 3.0}) as verifier:
        issuer.pause()
        token = issuer.token()

        async def on_loop():
            return [_timed(verifier, token)[1] for _ in range(2)]

        first, second = in_child(lambda: asyncio.run(on_loop()))
        issuer.resume()
    assert 0.9 < first < 2.0
    assert second < 0.1


def test_a_child_may_start_before_its_first_request(issuer, verifier):
    """`start` in the child loads, or says that it cannot, and the first token does not wait."""
    token = issuer.token()

    async def serve():
        await asyncio.to_thread(verifier.watch.start)
        return _timed(verifier, token)

    outcome, seconds = in_child(lambda: asyncio.run(serve()))
    assert outcome is None
    assert seconds < 0.1


def test_a_start_in_a_child_fails_like_any(issuer, away):
    """It raises within `start_timeout`, and a later token begins to load again."""

    def work():
        with pytest.raises(UnavailableError):
            away.watch.start()
        return _timed(away, issuer.token())

    outcome, seconds = in_child(work)
    assert outcome is StaleError
    assert 0.4 < seconds < 1.5
