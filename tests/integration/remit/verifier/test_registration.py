"""A provider's verifier is known to its issuer, says what it enforces once it does, and says goodbye."""

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from remit.errors import ConfigurationError, RevokedError, StaleError, UnavailableError
from remit.verifier import Verifier
from tests.fakes.forking import in_child
from tests.fakes.outcomes import QUICK, outcome_of, wait_for, wait_until
from tests.fakes.public_issuer import AUDIENCE, PublicIssuer
from tests.fakes.status_events import CREDENTIAL

TIMES = {"poll_interval": 0.5, "max_staleness": 5.0, "start_timeout": 5.0}
REGISTER = "/status/verifiers"


@pytest.fixture
def issuer():
    """An issuer with a stream, at which verifiers register."""
    with PublicIssuer(events=True, registers=True) as running:
        yield running


@pytest.fixture
def verifier(issuer):
    """A verifier that is registered and has said what it enforces."""
    with Verifier(issuer.url, AUDIENCE, **TIMES, credential=CREDENTIAL, name="api-1") as running:
        wait_until(lambda: issuer.verifiers.enforced and issuer.feed.subscriptions)
        yield running


def _only(issuer):
    (instance,) = issuer.verifiers.registered
    return instance


def test_it_registers_loads_and_then_says_what_it_enforces(issuer, verifier):
    """In this order: it is waited for before it has read any status."""
    asked = [path.replace(_only(issuer), "ID") for path in issuer.requests if "well-known" not in path]
    assert asked[0] == REGISTER
    assert asked.index("/statuslists/2") < asked.index(f"{REGISTER}/ID/acks")
    assert issuer.verifiers.registered[_only(issuer)] == {
        "instance": _only(issuer),
        "name": "api-1",
        "bound_ms": 10000,
        "on_stale": "deny",
    }
    assert issuer.verifiers.enforced == [(_only(issuer), 1)]


def test_its_stream_is_by_name(issuer, verifier):
    """The issuer sees whose subscription it is."""
    query, headers = issuer.feed.subscriptions[-1]
    assert query == {"verifier": [_only(issuer)]}
    assert headers["authorization"] == f"Bearer {CREDENTIAL}"


def test_the_name_of_a_process(issuer):
    """By default its host and its process."""
    with Verifier(issuer.url, AUDIENCE, **TIMES, credential=CREDENTIAL, on_stale="allow"):
        said = issuer.verifiers.registered[_only(issuer)]
        assert said["name"].rpartition(":")[2].isdigit()
        assert said["on_stale"] == "allow"


def test_what_it_says_it_enforces_it_does(issuer, verifier):
    """From before the acknowledgement is answered no verification accepts, in any thread; many times over."""
    tokens = {seq: issuer.token(index=500 + seq, jti=f"t{seq}") for seq in range(2, 80)}
    for token in tokens.values():
        verifier.verify(token)
    wrong = []

    def acknowledged(_, seq):
        wrong.extend(each for each in tokens if each <= seq and outcome_of(verifier, tokens[each]) is not RevokedError)

    issuer.verifiers.on_acknowledged = acknowledged
    for seq in tokens:
        issuer.set_status(500 + seq, 1)
        assert issuer.seq == seq
        time.sleep(0.002)
    wait_until(lambda: issuer.verifiers.enforced[-1][1] == issuer.seq)
    assert wrong == []


def test_it_accepts_nothing_before_the_head_that_was_named(issuer):
    """The lists that it is served lack the newest change: it does not start with them."""
    old = [issuer.status_list(number).encode() for number in (1, 2)]
    issuer.set_status(412, 1)
    for number in (1, 2):
        issuer.answers[f"/statuslists/{number}"] = lambda path: (200, {}, old[int(path[-1]) - 1])
    times = TIMES | {"start_timeout": 1.0}
    with pytest.raises(UnavailableError), Verifier(issuer.url, AUDIENCE, **times, credential=CREDENTIAL):
        pass
    threading.Timer(0.5, issuer.answers.clear).start()
    with Verifier(issuer.url, AUDIENCE, **TIMES, credential=CREDENTIAL) as verifier:
        assert outcome_of(verifier, issuer.token()) is RevokedError


def test_leaving_says_goodbye(issuer):
    """After nothing is accepted any more, nothing waits for it either; entering again is another instance."""
    seen, outcomes = [], []
    verifier = Verifier(issuer.url, AUDIENCE, **TIMES, credential=CREDENTIAL)
    issuer.verifiers.on_goodbye = lambda _: outcomes.append(outcome_of(verifier, issuer.token()))
    for _ in range(2):
        with verifier:
            seen.append(_only(issuer))
        assert issuer.verifiers.registered == {}
    assert issuer.verifiers.goodbyes == seen
    assert len(set(seen)) == 2
    assert outcomes == [StaleError, StaleError]


def test_leaving_does_not_wait_for_an_issuer_that_hangs(issuer):
    """A goodbye has a second."""
    with Verifier(issuer.url, AUDIENCE, **TIMES, credential=CREDENTIAL):
        wait_until(lambda: issuer.feed.subscriptions)
        issuer.pause()
        started = time.monotonic()
    assert time.monotonic() - started < 3.5
    issuer.resume()


def test_a_process_that_ends_without_leaving_says_goodbye(issuer):
    """As a worker does whose server knows nothing of verifiers."""
    program = (
        "import sys, remit\n"
        f"verifier = remit.Verifier({issuer.url!r}, 'x', credential={CREDENTIAL!r})\n"
        "verifier.watch.start()\n"
        "sys.exit(3)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, ended.stderr) == (3, "")
    assert len(issuer.verifiers.goodbyes) == 1
    assert issuer.verifiers.registered == {}


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_is_another_instance(issuer, verifier):
    """It registers before it accepts, and what it enforces it says itself."""
    parent = _only(issuer)
    token = issuer.token()

    def work():
        outcome = outcome_of(verifier, token)
        wait_until(lambda: verifier.watch._followers._followers[0]._registration._acknowledged == 1)
        return outcome

    assert in_child(work) is None
    (child,) = issuer.verifiers.registered.keys() - {parent}
    assert [instance for instance, _ in issuer.verifiers.enforced] == [parent, child]
    issuer.set_status(412, 1)
    wait_until(lambda: issuer.verifiers.enforced[-1] == (parent, 2))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_does_not_keep_the_parents_connections_open(issuer, verifier):
    """When the parent dies the issuer must see that, however long its children live."""
    port = int(issuer.url.rpartition(":")[2])
    assert _connections_to(port) > 0
    assert in_child(lambda: _connections_to(port)) == 0


def _connections_to(port):
    """How many connected sockets of this process have their other end at `port`."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(descriptor.name))) as copy:
            found += copy.getpeername()[1] == port
    return found


def test_who_is_forgotten_registers_again(issuer, verifier):
    """An issuer that lost it says so at the next acknowledgement; the instance stays the same."""
    instance = _only(issuer)
    del issuer.verifiers.registered[instance]
    issuer.set_status(412, 1)
    wait_until(lambda: issuer.verifiers.enforced[-1] == (instance, 2))
    assert issuer.verifiers.registered[instance]["enforced"] == 2


def test_who_is_forgotten_while_it_missed_something_accepts_nothing_meanwhile(issuer, verifier):
    """Registered again it is promised to enforce the head that was named: until it has it, it refuses."""
    token, instance = issuer.token(), _only(issuer)
    del issuer.verifiers.registered[instance]
    issuer.feed.transform = lambda _: []
    issuer.answers["/statuslists"] = lambda _: (500, {}, b"")
    issuer.set_status(413, 1)
    wait_until(lambda: instance in issuer.verifiers.registered)
    wait_for(verifier, token, StaleError, seconds=0.5)
    issuer.answers.clear()
    wait_for(verifier, token, None)
    wait_until(lambda: issuer.verifiers.enforced[-1] == (instance, 2))


@pytest.mark.parametrize("streams", [True, False])
def test_who_slept_registers_before_it_accepts_again(issuer, monkeypatch, streams):
    """The issuer has stopped waiting for it: what comes on the stream that stayed open, or is polled, counts only after that."""
    times = TIMES | {"poll_interval": 0.05}
    with Verifier(issuer.url, AUDIENCE, **times, credential=CREDENTIAL) as verifier:
        wait_until(lambda: issuer.verifiers.enforced and issuer.feed.subscriptions)
        token, instance = issuer.token(), _only(issuer)
        issuer.pause()
        for module in ("acceptor", "refresh"):
            monkeypatch.setattr(
                f"remit.verifier.{module}.clock_gettime", lambda which: time.clock_gettime(which) + 3600
            )
        assert outcome_of(verifier, token) is StaleError
        time.sleep(2.5)
        del issuer.verifiers.registered[instance]
        issuer.feed.holding = not streams
        issuer.resume()
        while outcome_of(verifier, token) is StaleError:
            time.sleep(0.0005)
        assert instance in issuer.verifiers.registered
        assert outcome_of(verifier, token) is None


def test_who_polls_says_that_it_lives(issuer):
    """The issuer cannot see that on a stream: it is told before it stops waiting."""
    issuer.feed.holding = True
    times = TIMES | {"max_staleness": 1.5}
    with Verifier(issuer.url, AUDIENCE, **times, credential=CREDENTIAL):
        wait_until(lambda: len(issuer.verifiers.enforced) > 3)
    assert {seq for _, seq in issuer.verifiers.enforced} == {1}


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_is_told_at_the_start(issuer, caplog, status):
    """At once, with what to do; nothing goes on running, and the credential is nowhere to be read."""
    caplog.set_level(logging.DEBUG)
    issuer.verifiers.failure = (status, {}, b"{}")
    started = time.monotonic()
    with (
        pytest.raises(ConfigurationError) as refused,
        Verifier(issuer.url, AUDIENCE, **TIMES, credential=CREDENTIAL),
    ):
        pass
    assert time.monotonic() - started < 2
    assert issuer.url in refused.value.detail
    assert "remit provider" in refused.value.hint
    assert "remit-verifier" not in {thread.name for thread in threading.enumerate()}
    assert CREDENTIAL not in caplog.text + str(refused.value)


def test_an_issuer_that_cannot_register_is_not_started_with(issuer):
    """Whoever has a credential is to be waited for: without that it does not begin."""
    issuer.verifiers.failure = (503, {"Retry-After": "1"}, b"")
    times = TIMES | {"start_timeout": 0.5}
    with pytest.raises(UnavailableError) as failed, Verifier(issuer.url, AUDIENCE, **times, credential=CREDENTIAL):
        pass
    assert "503" in failed.value.detail


def test_a_credential_that_is_refused_later_ends_nothing(issuer, verifier, caplog):
    """It is said once; the events are followed without a name, by the same rules."""
    issuer.verifiers.credential = "remit_prov_another"
    issuer.set_status(412, 1)
    wait_for(verifier, issuer.token(), RevokedError)
    wait_until(lambda: "refuses the provider credential" in caplog.text)
    issuer.feed.cut()
    wait_until(lambda: "authorization" not in issuer.feed.subscriptions[-1][1])
    assert issuer.feed.subscriptions[-1][0] == {}
    issuer.set_status(413, 1)
    assert wait_for(verifier, issuer.token(index=413), RevokedError) < 1.0
    assert outcome_of(verifier, issuer.token(index=414)) is None
    assert caplog.text.count("refuses the provider credential") == 1
    assert CREDENTIAL not in caplog.text


def test_an_issuer_without_registration_is_followed_all_the_same(caplog):
    """And it is said that no revocation waits for this verifier."""
    with (
        PublicIssuer() as issuer,
        Verifier(issuer.url, AUDIENCE, **QUICK, credential=CREDENTIAL) as verifier,
    ):
        assert outcome_of(verifier, issuer.token()) is None
    assert "registers no verifiers" in caplog.text


def test_a_credential_is_shown_to_its_own_issuer_only(issuer):
    """And there only where verifiers are known by it."""
    with (
        PublicIssuer("other.example", events=True, registers=True) as other,
        Verifier([issuer.url, other.url], AUDIENCE, **TIMES, credential={issuer.url: CREDENTIAL}) as verifier,
    ):
        wait_until(lambda: issuer.verifiers.enforced and issuer.feed.subscriptions and other.feed.subscriptions)
        assert outcome_of(verifier, other.token()) is None
    assert {shown for _, shown in other.verifiers.shown} == {None}
    named = {path.partition("?")[0] for path, shown in issuer.verifiers.shown if shown}
    assert all(path == "/status/events" or path.startswith(REGISTER) for path in named)


def test_the_credential_of_the_environment(issuer, monkeypatch):
    """It is read when the verifier is made."""
    monkeypatch.setenv("REMIT_PROVIDER_CREDENTIAL", CREDENTIAL)
    with Verifier(issuer.url, AUDIENCE, **TIMES):
        assert len(issuer.verifiers.registered) == 1


def test_what_is_answered_to_a_registration_is_checked(issuer):
    """A head that is none is no head."""
    issuer.verifiers.failure = (200, {}, json.dumps({"seq": -1}).encode())
    times = TIMES | {"start_timeout": 0.5}
    with pytest.raises(UnavailableError), Verifier(issuer.url, AUDIENCE, **times, credential=CREDENTIAL):
        pass
