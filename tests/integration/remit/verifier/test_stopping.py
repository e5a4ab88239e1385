"""Leaving a verifier while its issuer withdraws something, or after its thread met what nobody foresaw."""

import threading
import time

import pytest

from remit.errors import RevokedError, StaleError
from remit.verifier import Verifier, follower, watch
from remit.verifier.followers import Followers
from remit.verifier.refresh import IssuerReader
from tests.fakes.outcomes import outcome_of, wait_for, wait_until
from tests.fakes.public_issuer import AUDIENCE, PublicIssuer
from tests.fakes.status_events import CREDENTIAL

TIMES = {"poll_interval": 0.5, "max_staleness": 5.0, "start_timeout": 5.0}


@pytest.fixture
def issuer():
    """An issuer with a stream, at which verifiers register."""
    with PublicIssuer(events=True, registers=True) as running:
        yield running


def test_what_is_said_to_be_enforced_while_it_is_left_is(issuer, monkeypatch):
    """From when nothing is published any more nothing is accepted either: a new head may be said at any time."""
    muted, outcomes = Followers.mute, []

    def mute(followers, *arguments):
        muted(followers, *arguments)
        issuer.set_status(412, 1)
        wait_until(lambda: issuer.verifiers.enforced[-1][1] == issuer.seq)
        outcomes.append(outcome_of(verifier, token))

    monkeypatch.setattr(Followers, "mute", mute)
    token = issuer.token()
    with Verifier(issuer.url, AUDIENCE, **TIMES, credential=CREDENTIAL) as verifier:
        assert outcome_of(verifier, token) is None
        wait_until(lambda: issuer.verifiers.enforced and issuer.feed.subscriptions)
    assert outcomes == [StaleError]


def test_leaving_waits_for_no_staleness_bound(issuer, monkeypatch):
    """However long what is known may count: an issuer that hangs holds up nobody for a share of that."""
    monkeypatch.setattr(follower, "_MOST_SECONDS", 0.5)
    with Verifier(issuer.url, AUDIENCE, **TIMES | {"max_staleness": 60.0}, credential=CREDENTIAL) as verifier:
        wait_until(lambda: issuer.verifiers.enforced and issuer.feed.subscriptions)
        asked = len(issuer.requests)
        issuer.pause()
        verifier.watch.nudge()
        wait_until(lambda: len(issuer.requests) > asked)
        started = time.monotonic()
    assert time.monotonic() - started < 3
    issuer.resume()


def _nested(path):
    return 200, {}, b'{"seq":1,"status_lists":[],"more":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize("path", ["/.well-known/oauth-authorization-server", "/statuslists", "/bundle", "/status/keys"])
def test_no_answer_ends_the_thread(issuer, path):
    """However deep it is nested; when the issuer answers as it should again, it is followed again."""
    issuer.answers[path] = _nested
    threading.Timer(0.3, issuer.answers.clear).start()
    with Verifier(issuer.url, AUDIENCE, **TIMES, credential=CREDENTIAL) as verifier:
        wait_until(lambda: issuer.verifiers.enforced and issuer.feed.subscriptions)
        issuer.answers[path] = _nested
        asked = issuer.requests.count(path)
        verifier.watch.nudge()
        if path != "/.well-known/oauth-authorization-server":  # it is read at the start only
            wait_until(lambda: issuer.requests.count(path) > asked)
        issuer.answers.clear()
        issuer.feed.cut()
        issuer.set_status(412, 1)
        wait_for(verifier, issuer.token(), RevokedError)
        assert issuer.verifiers.goodbyes == []


def test_an_answer_to_a_registration_that_is_nested_ends_nothing(issuer):
    """It is as good as none."""
    issuer.verifiers.failure = _nested("")
    threading.Timer(0.3, setattr, (issuer.verifiers, "failure", None)).start()
    with Verifier(issuer.url, AUDIENCE, **TIMES, credential=CREDENTIAL) as verifier:
        assert outcome_of(verifier, issuer.token()) is None


@pytest.mark.parametrize("method", ["turn", "hear"])
def test_what_nobody_foresaw_ends_neither_the_thread_nor_the_registration(issuer, monkeypatch, caplog, method):
    """It is logged, and the issuer is followed on: a goodbye would let it count on what is not enforced."""
    with Verifier(issuer.url, AUDIENCE, **TIMES, credential=CREDENTIAL) as verifier:
        wait_until(lambda: issuer.verifiers.enforced and issuer.feed.subscriptions)
        works, failures = getattr(IssuerReader, method), [MemoryError("of a test")]

        def fails(reader, *arguments):
            if failures:
                raise failures.pop()
            return works(reader, *arguments)

        monkeypatch.setattr(IssuerReader, method, fails)
        verifier.watch.nudge()
        issuer.set_status(412, 1)
        wait_for(verifier, issuer.token(), RevokedError)
        assert (failures, issuer.verifiers.goodbyes) == ([], [])
    assert "MemoryError: of a test" in caplog.text


def test_what_could_not_be_published_is_not_said_to_be_enforced(issuer, monkeypatch):
    """Nobody sees it yet."""
    with Verifier(issuer.url, AUDIENCE, **TIMES, credential=CREDENTIAL) as verifier:
        wait_until(lambda: issuer.verifiers.enforced and issuer.feed.subscriptions)
        works, failures, outcomes, token = watch.Snapshot, [MemoryError("of a test")], [], issuer.token()

        def fails(*arguments, **more):
            if issuer.seq > 1 and failures:
                raise failures.pop()
            return works(*arguments, **more)

        monkeypatch.setattr(watch, "Snapshot", fails)
        issuer.verifiers.on_acknowledged = lambda _, seq: outcomes.append((seq, outcome_of(verifier, token)))
        issuer.set_status(412, 1)
        wait_until(lambda: issuer.verifiers.enforced[-1][1] == issuer.seq)
    assert (outcomes, failures) == ([(issuer.seq, RevokedError)], [])


@pytest.mark.filterwarnings("ignore:Exception in thread remit-verifier")
def test_a_thread_that_is_ended_says_no_goodbye(issuer, monkeypatch):
    """What it published counts for a while: until then the issuer has to wait."""
    times = TIMES | {"max_staleness": 1.5}
    with Verifier(issuer.url, AUDIENCE, **times, credential=CREDENTIAL) as verifier:
        wait_until(lambda: issuer.verifiers.enforced and issuer.feed.subscriptions)

        def ends(*_):
            raise SystemExit

        monkeypatch.setattr(IssuerReader, "hear", ends)
        wait_until(lambda: "remit-verifier" not in {thread.name for thread in threading.enumerate()})
        assert issuer.verifiers.goodbyes == []
        wait_for(verifier, issuer.token(), StaleError)
