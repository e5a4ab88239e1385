"""The verifier against an issuer over real HTTP: starting, staying fresh, and failing closed."""

import asyncio
import os
import pickle
import threading
import time

import pytest

from remit.credential import StatusReference
from remit.dpop import create_proof
from remit.errors import (
    ConfigurationError,
    ProofRefusedError,
    RefusedError,
    RevokedError,
    StaleError,
    SuspendedError,
    TokenInvalidError,
    UnavailableError,
)
from remit.jose import public_jwk, thumbprint
from remit.verifier import Acceptor, Verifier
from tests.fakes.public_issuer import AUDIENCE, PublicIssuer, SigningKey

URL = "https://api.example.com/v1/messages"
QUICK = {"poll_interval": 0.05, "max_staleness": 3.0, "start_timeout": 5.0}


@pytest.fixture
def issuer():
    with PublicIssuer() as running:
        yield running


@pytest.fixture
def verifier(issuer):
    with Verifier(issuer.url, AUDIENCE, **QUICK) as running:
        yield running


def _outcome(verifier, token):
    try:
        verifier.verify(token)
    except RefusedError as error:
        return type(error)
    return None


def _until(verifier, token, expected, seconds=5.0):
    """Wait until the token's outcome is what is expected, and for how long that took."""
    started = time.monotonic()
    while (outcome := _outcome(verifier, token)) is not expected:
        assert time.monotonic() < started + seconds, f"still {outcome}"
        time.sleep(0.005)
    return time.monotonic() - started


# -- starting and stopping


def test_constructing_starts_nothing(issuer):
    """No thread and no request before the verifier is entered; a token is refused with a hint until then."""
    threads = threading.active_count()
    verifier = Verifier(issuer.url, AUDIENCE)
    assert (threading.active_count(), issuer.requests) == (threads, [])
    with pytest.raises(StaleError) as refused:
        verifier.verify(issuer.token())
    assert refused.value.code == "verifier_not_started"


def test_leaving_ends_the_thread_and_forgets(issuer):
    """After the block nothing is accepted and nothing runs; entering again works."""
    verifier = Verifier(issuer.url, AUDIENCE, **QUICK)
    for _ in range(2):
        with verifier:
            verifier.verify(issuer.token())
        assert _outcome(verifier, issuer.token()) is StaleError
        assert "remit-verifier" not in {thread.name for thread in threading.enumerate()}


async def test_entering_and_leaving_does_not_block_the_loop(issuer):
    """`async with` loads in another thread while the loop goes on."""
    issuer.pause()
    ticks = 0

    async def resume():
        nonlocal ticks
        for _ in range(10):
            await asyncio.sleep(0.01)
            ticks += 1
        issuer.resume()

    other = asyncio.create_task(resume())
    async with Verifier(issuer.url, AUDIENCE, **QUICK) as verifier:
        assert ticks == 10
        assert verifier.verify(issuer.token()).account == "acme"
    await other


@pytest.mark.parametrize(
    "path", ["/.well-known/oauth-authorization-server", "/bundle", "/status/keys", "/statuslists", "/statuslists/2"]
)
@pytest.mark.parametrize(
    "answer",
    [
        (500, {}, b""),
        (304, {}, b""),
        (302, {"Location": "/bundle"}, b""),
        (200, {}, b"{}"),
        (200, {}, b"\xff" * 3_000_000),
        (200, {"Content-Length": "9"}, b"x"),
    ],
    ids=["500", "304", "redirect", "empty-object", "too-large", "cut-off"],
)
def test_without_a_whole_first_state_entering_fails(issuer, path, answer):
    """Whatever document is missing, the verifier says within its time that it cannot start, and leaves nothing running."""
    issuer.answers[path] = lambda _: answer
    with (
        pytest.raises(UnavailableError) as failed,
        Verifier(issuer.url, AUDIENCE, poll_interval=0.05, max_staleness=1.0, start_timeout=0.3),
    ):
        pass
    assert issuer.url in failed.value.detail
    assert "remit-verifier" not in {thread.name for thread in threading.enumerate()}


def test_an_unreachable_issuer_is_told_as_such():
    """Nobody listening: one clear error."""
    with pytest.raises(UnavailableError), Verifier("http://127.0.0.1:9", AUDIENCE, start_timeout=0.3):
        pass


def test_an_issuer_that_comes_up_late_is_waited_for(issuer):
    """Within `start_timeout` a provider may start before its issuer."""
    failing = {"/bundle": lambda _: (503, {}, b"")}
    issuer.answers.update(failing)
    threading.Timer(0.3, issuer.answers.clear).start()
    with Verifier(issuer.url, AUDIENCE, **QUICK) as verifier:
        verifier.verify(issuer.token())


@pytest.mark.parametrize(
    "arguments",
    [
        {"audience": ""},
        {"audience": []},
        {"audience": ["", "x"]},
        {"audience": [b"x"]},
        {"issuer": []},
        {"issuer": "https://issuer.example.org/"},
        {"issuer": "http://issuer.example.org"},
        {"poll_interval": 0},
        {"poll_interval": 6.0},
        {"leeway": -1},
        {"start_timeout": 0},
    ],
)
def test_a_verifier_that_could_not_be_right_is_refused(arguments):
    """An empty audience is never taken as any; times must fit together."""
    with pytest.raises(ConfigurationError):
        Verifier(**({"issuer": "https://issuer.example.org", "audience": AUDIENCE} | arguments))


# -- staying fresh


def test_a_revocation_takes_effect_at_the_next_poll(issuer, verifier):
    """Revoked, suspended and resumed: a token seen before changes its outcome with its grant."""
    token = issuer.token()
    verifier.verify(token)
    for status, expected in ((2, SuspendedError), (0, None), (1, RevokedError)):
        issuer.set_status(412, status)
        assert _until(verifier, token, expected) < 2
    assert verifier.verify(issuer.token(index=413)).account == "acme"


def test_a_silent_issuer_makes_everything_stale_at_the_bound(issuer):
    """Not before the bound and not long after it; and back to normal when the issuer answers."""
    with Verifier(issuer.url, AUDIENCE, poll_interval=0.05, max_staleness=2.0) as verifier:
        token = issuer.token()
        verifier.verify(token)
        issuer.pause()
        took = _until(verifier, token, StaleError)
        assert 0.8 < took < 2.5
        assert _outcome(verifier, issuer.token(jti="new")) is StaleError
        issuer.resume()
        _until(verifier, token, None)


@pytest.mark.parametrize("status", [304, 500])
def test_an_answer_without_a_list_renews_nothing(issuer, status):
    """A 304 or an error is not fresh, however often it comes."""
    with Verifier(issuer.url, AUDIENCE, poll_interval=0.05, max_staleness=1.5) as verifier:
        token = issuer.token()
        issuer.answers["/statuslists/1"] = lambda _: (status, {}, b"")
        assert _until(verifier, token, StaleError) < 3


def test_a_replayed_list_renews_nothing(issuer):
    """An old list, rightly signed, served again and again: stale at the bound, and never un-revokes."""
    with Verifier(issuer.url, AUDIENCE, poll_interval=0.05, max_staleness=1.5) as verifier:
        token = issuer.token()
        old = issuer.status_list().encode()
        issuer.set_status(412, 1)
        _until(verifier, token, RevokedError)
        issuer.answers["/statuslists/1"] = lambda _: (200, {}, old)
        deadline = time.monotonic() + 3
        while (outcome := _outcome(verifier, token)) is RevokedError:
            assert time.monotonic() < deadline
        assert outcome is StaleError


def test_one_lost_list_does_not_hurt_the_others(issuer):
    """The tokens of the lists that are served stay good."""
    with Verifier(issuer.url, AUDIENCE, poll_interval=0.05, max_staleness=1.5) as verifier:
        issuer.answers["/statuslists/1"] = lambda _: (500, {}, b"")
        first, second = issuer.token(), issuer.token(number=2, jti="second")
        _until(verifier, first, StaleError)
        assert _outcome(verifier, second) is None


def test_a_list_signed_by_an_unknown_key_is_not_taken(issuer):
    """Only the issuer's published status keys sign lists; a token key does not."""
    with Verifier(issuer.url, AUDIENCE, poll_interval=0.05, max_staleness=1.5) as verifier:
        token = issuer.token()
        issuer.answers["/status/keys"] = lambda _: (500, {}, b"")
        issuer.status_key = SigningKey("status-1", 999)
        issuer.set_status(412, 2)
        assert _until(verifier, token, StaleError) < 3


def test_a_rotated_status_key_is_followed(issuer, verifier):
    """New status keys are read as soon as a list does not verify with the old ones."""
    token = issuer.token()
    issuer.status_key = SigningKey("status-2", 303)
    issuer.set_status(412, 1)
    assert _until(verifier, token, RevokedError) < 2


def test_an_unknown_key_is_refused_at_once_and_looked_up(issuer, verifier):
    """The bundle's hint says five minutes, but an unknown kid makes the verifier look sooner, at a bounded rate."""
    issuer.rotate(SigningKey("key-2", 104))
    token = issuer.token()
    assert _outcome(verifier, token) is TokenInvalidError
    assert _until(verifier, token, None) < 2
    before = issuer.requests.count("/bundle")
    unknown = issuer.sign(issuer.claims(), SigningKey("key-9", 105))
    ends = time.monotonic() + 0.6
    while time.monotonic() < ends:
        assert _outcome(verifier, unknown) is TokenInvalidError
    assert issuer.requests.count("/bundle") - before <= 2


def test_a_key_that_left_the_bundle_signs_no_more(issuer):
    """A removed key ends the tokens that were verified with it, remembered or not."""
    issuer.refresh_hint = 1
    with Verifier(issuer.url, AUDIENCE, **QUICK) as verifier:
        token = issuer.token()
        verifier.verify(token)
        issuer.rotate(SigningKey("key-2", 104))
        _until(verifier, token, TokenInvalidError)


def test_a_bundle_that_cannot_be_read_again_ends_trust(issuer):
    """With fresh lists but without its bundle an issuer is trusted for twice the hint and the bound, not longer."""
    issuer.refresh_hint = 1
    with Verifier(issuer.url, AUDIENCE, poll_interval=0.05, max_staleness=0.5) as verifier:
        issuer.answers["/bundle"] = lambda _: (500, {}, b"")
        issuer.answers["/status/keys"] = lambda _: (500, {}, b"")
        assert _until(verifier, issuer.token(), StaleError) < 4


@pytest.mark.parametrize("hanging", [True, False])
def test_keys_that_cannot_be_read_do_not_hide_a_revocation(issuer, hanging):
    """While the bundle is still within its bound, the lists are read on, whether it fails at once or hangs."""
    issuer.refresh_hint = 1
    with Verifier(issuer.url, AUDIENCE, **QUICK) as verifier:
        token = issuer.token()
        issuer.answers["/bundle"] = lambda _: time.sleep(1.5 if hanging else 0) or (500, {}, b"")
        asked = issuer.requests.count("/bundle")
        while issuer.requests.count("/bundle") == asked:
            time.sleep(0.01)
        issuer.set_status(412, 1)
        _until(verifier, token, RevokedError)


def test_an_empty_bundle_is_not_a_reason_to_trust_nobody_or_everybody(issuer):
    """An empty key set is refused as a document; what was known stays until its bound."""
    issuer.refresh_hint = 1
    with Verifier(issuer.url, AUDIENCE, **QUICK) as verifier:
        issuer.answers["/bundle"] = lambda _: (200, {}, b'{"keys":[]}')
        asked = issuer.requests.count("/bundle")
        while issuer.requests.count("/bundle") == asked:
            time.sleep(0.01)
        assert _outcome(verifier, issuer.token()) is None


def test_a_new_list_is_known_before_its_first_token(issuer, verifier):
    """An announced list is fetched at the next poll; a token of one that is not announced is refused."""
    issuer.statuses[3] = {}
    token = issuer.token(number=3)
    assert _until(verifier, token, None) < 2
    assert _outcome(verifier, issuer.token(number=4, jti="other")) is TokenInvalidError


def test_the_trust_domain_may_not_change(issuer, verifier):
    """What the issuer announced when it was loaded holds; other agents' names are refused whatever it says later."""
    issuer.trust_domain = "example.net"
    issuer.rotate(SigningKey("key-2", 104))
    moved = issuer.token()
    assert _outcome(verifier, moved) is TokenInvalidError
    stayed = issuer.token(sub="spiffe://example.org/account/acme/agent/planner")
    _until(verifier, stayed, None)
    with pytest.raises(TokenInvalidError) as refused:
        verifier.verify(moved)
    assert refused.value.code == "wrong_trust_domain"


def test_only_the_issuers_documents_are_fetched(issuer, verifier):
    """A token cannot make the verifier fetch anything."""
    for uri in (f"{issuer.url}/secret", "http://127.0.0.1:9/x"):
        claims = issuer.claims(status={"status_list": {"idx": 1, "uri": uri}})
        assert _outcome(verifier, issuer.sign(claims)) is TokenInvalidError
    time.sleep(0.2)
    assert {path.rsplit("/", 1)[-1] for path in issuer.requests} == {
        "oauth-authorization-server",
        "bundle",
        "keys",
        "statuslists",
        "1",
        "2",
    }


def test_a_slow_issuer_does_not_make_another_stale(issuer):
    """Each issuer has its turn, and its tokens its own keys; one that hangs is stale alone."""
    with (
        PublicIssuer("other.example") as other,
        Verifier([issuer.url, other.url], AUDIENCE, poll_interval=0.05, max_staleness=3.0) as verifier,
    ):
        ours, theirs = issuer.token(), other.token()
        verifier.verify(ours)
        verifier.verify(theirs)
        other.pause()
        _until(verifier, theirs, StaleError)
        for _ in range(100):
            assert _outcome(verifier, ours) is None
            time.sleep(0.01)


def test_a_dripping_answer_ends_at_the_deadline(issuer):
    """One byte at a time does not hold the thread: the whole exchange has one deadline."""
    with Verifier(issuer.url, AUDIENCE, poll_interval=0.05, max_staleness=1.5) as verifier:
        token = issuer.token()
        issuer.drip_seconds = 0.1
        _until(verifier, token, StaleError)
        issuer.drip_seconds = 0
        assert _until(verifier, token, None) < 3


# -- threads, processes, sharing


def test_threads_share_one_verifier(issuer, verifier):
    """Eight threads, new and seen tokens, revocations in between: right outcomes only."""
    tokens = [issuer.token(index=index, jti=f"t{index}") for index in range(100, 140)]
    wrong = []
    ends = time.monotonic() + 1.0

    def work(first):
        number = first
        while time.monotonic() < ends:
            number = (number + 7) % len(tokens)
            outcome = _outcome(verifier, tokens[number])
            if outcome not in (None, RevokedError) or (outcome is RevokedError and number % 2):
                wrong.append((number, outcome))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for number in range(0, 40, 2):
        issuer.set_status(100 + number, 1)
    for thread in threads:
        thread.join()
    assert wrong == []
    _until(verifier, tokens[38], RevokedError)
    assert {_outcome(verifier, token) for token in tokens[::2]} == {RevokedError}


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # Python 3.12: that is what is tested
@pytest.mark.parametrize("reachable", [True, False])
@pytest.mark.parametrize("mid_answer", [True, False])
def test_a_forked_child_loads_before_it_accepts(issuer, verifier, reachable, mid_answer):
    """What the parent knew counts for nothing in the child: it loads its own state, or refuses.

    The fork may come while the parent's thread waits for an answer, and while another thread uses up a proof.
    """
    token = issuer.token()
    verifier.verify(token)
    if mid_answer:
        issuer.drip_seconds = 0.002
        asked = len(issuer.requests)
        while len(issuer.requests) == asked:
            time.sleep(0.001)
        issuer.drip_seconds = 0
        verifier._replays._lock.acquire()
    issuer.set_status(412, 1)
    if not reachable:
        issuer.answers["/bundle"] = lambda _: (500, {}, b"")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        verifier.watch._start_timeout = 1.0
        outcome = _outcome(verifier, token)
        with verifier._replays._lock:
            os.write(writer, pickle.dumps(outcome))
        os._exit(0)
    os.close(writer)
    if mid_answer:
        verifier._replays._lock.release()
    answer = os.read(reader, 4096)
    os.close(reader)
    assert os.waitpid(child, 0)[1] == 0
    assert pickle.loads(answer) is (RevokedError if reachable else StaleError)
    _until(verifier, token, RevokedError)


def test_another_audience_may_share_the_watch(issuer, verifier):
    """A second acceptor over the same state checks its own audience and fetches nothing."""
    other = Acceptor(verifier.watch, "https://other.example")
    assert other.verify(issuer.token(aud="https://other.example")).audience == "https://other.example"
    assert _outcome(other, issuer.token()) is TokenInvalidError
    assert sum(thread.name == "remit-verifier" for thread in threading.enumerate()) == 1


def test_the_status_of_a_kept_token_can_be_asked(issuer, verifier):
    """A cache asks by list and index before it hands a token out again."""
    status = StatusReference(issuer.list_uri(), 412)
    verifier.watch.check_status(status)
    issuer.set_status(412, 1)
    _until(verifier, issuer.token(), RevokedError)
    with pytest.raises(RevokedError):
        verifier.watch.check_status(status)
    with pytest.raises(TokenInvalidError):
        verifier.watch.check_status(StatusReference(issuer.list_uri(), 4096))


# -- possession


def test_a_bound_token_needs_a_new_proof_each_time(issuer, verifier):
    """A proof is used once, a repeated one is refused, and remembering the token does not change that."""
    key = SigningKey("agent", 77).private
    token = issuer.token(cnf={"jkt": thumbprint(public_jwk(key))})

    def show(proof):
        return verifier.verify(token, proof=proof, method="POST", url=URL)

    for _ in range(2):
        proof = create_proof(key, "POST", URL, now=issuer.now(), access_token=token)
        assert show(proof).key_thumbprint == thumbprint(public_jwk(key))
        with pytest.raises(ProofRefusedError):
            show(proof)
        with pytest.raises(ProofRefusedError):
            verifier.verify(token)


def test_a_seen_token_with_a_proof_is_refused_when_it_is_unbound(issuer, verifier):
    """The fast path does not overlook a proof."""
    token = issuer.token()
    verifier.verify(token)
    proof = create_proof(SigningKey("agent", 77).private, "POST", URL, now=issuer.now(), access_token=token)
    with pytest.raises(ProofRefusedError):
        verifier.verify(token, proof=proof, method="POST", url=URL)


@pytest.mark.parametrize("token", [None, 0, b"x", [], {}, object(), "", "\ud800"])
def test_hostile_input_is_only_ever_refused(verifier, token):
    """Whatever comes where a token should be: RefusedError."""
    for _ in range(2):
        with pytest.raises(RefusedError):
            verifier.verify(token)
