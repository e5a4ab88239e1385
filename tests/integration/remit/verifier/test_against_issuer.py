"""The verifier and a real issuer: what an operator is told of a revocation is what the verifiers do."""

import logging
import threading
import time

import pytest

import remit
from remit.errors import RevokedError, SuspendedError, TokenInvalidError
from remit.jose import parse_unverified
from tests.fakes.forking import in_child
from tests.fakes.issuer_process import AUDIENCE, initialize, running, wanted
from tests.fakes.outcomes import outcome_of, wait_for, wait_until
from tests.fakes.raw_verifier import register_provider

AGENTS = ("acme/planner", "acme/reader")


@pytest.fixture
def config(tmp_path):
    return initialize(tmp_path / "data")


@pytest.fixture
def issuer(config):
    """An issuer with two agents, one for each uid."""
    with running(config) as issuer:
        yield prepared(issuer)


def prepared(issuer):
    sidecar = issuer.joined()
    for uid, agent in enumerate(AGENTS, start=1000):
        issuer.register(agent, f"unix:uid:{uid}", sidecar="edge-1")
    issuer.tokens = [result["credentials"][0]["token"] for result in sidecar.issue(wanted(1000), wanted(1001))]
    issuer.credential = register_provider(issuer)
    return issuer


@pytest.fixture
def verifier(issuer):
    """A registered verifier that polls so rarely that only events make it quick."""
    with registered(issuer) as verifier:
        yield verifier


def registered(issuer, **more):
    return remit.Verifier(issuer.url, AUDIENCE, poll_interval=5, credential=issuer.credential, **more)


def enforcement(issuer, seq, wait_seconds=5):
    answer = issuer.operator.get(f"/enforcement/{seq}", params={"wait_seconds": wait_seconds}, timeout=40)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_operator_is_told_what_is_so(issuer, verifier):
    """Each change is seen to take effect within a moment, and then no thread accepts what it took away."""
    token = issuer.tokens[0]
    for verb, expected in (("suspend", SuspendedError), ("resume", None), ("revoke", RevokedError)):
        change = issuer.post(f"/{verb}", what=AGENTS[0], reason="a test")
        told = enforcement(issuer, change["seq"])
        assert outcome_of(verifier, token) is expected
        assert (len(told["enforced"]), told["silent"]) == (1, [])
        assert told["enforced"][0]["milliseconds"] < 2000
    assert outcome_of(verifier, issuer.tokens[1]) is None


def test_no_verification_that_begins_after_the_answer_accepts(issuer, verifier):
    """Hammered by threads, in several registered verifiers at once, over many suspensions."""
    token, wrong, ended = issuer.tokens[0], [], threading.Event()
    closed_at = float("inf")

    def hammer(one):
        while not ended.is_set():
            refused_by = closed_at
            began = time.monotonic()
            if outcome_of(one, token) is None and began > refused_by == closed_at:
                wrong.append(began)

    with registered(issuer) as second:
        threads = [threading.Thread(target=hammer, args=(one,)) for one in (verifier, second) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(15):
            change = issuer.post("/suspend", what=AGENTS[0], reason="a test")
            assert enforcement(issuer, change["seq"])["silent"] == []
            closed_at = time.monotonic()
            time.sleep(0.01)
            closed_at = float("inf")
            issuer.post("/resume", what=AGENTS[0], reason="a test")
        ended.set()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_leaving_ends_the_waiting(issuer):
    """Who said goodbye holds nobody up; a verifier that begins later knows what was revoked before."""
    with registered(issuer):
        pass
    change = issuer.post("/revoke", what=AGENTS[0], reason="a test")
    started = time.monotonic()
    assert enforcement(issuer, change["seq"])["silent"] == []
    assert time.monotonic() - started < 2
    with registered(issuer) as verifier:
        assert outcome_of(verifier, issuer.tokens[0]) is RevokedError


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_is_waited_for_too(issuer, verifier):
    """Parent and child are two instances: both enforce, and both are named."""
    token = issuer.tokens[0]
    revoking = threading.Timer(1.5, lambda: changes.append(issuer.post("/revoke", what=AGENTS[0], reason="a test")))
    changes = []
    revoking.start()

    def work():
        wait_for(verifier, token, None)
        return wait_for(verifier, token, RevokedError)

    assert in_child(work) < 5
    revoking.join()
    assert outcome_of(verifier, token) is RevokedError
    told = enforcement(issuer, changes[0]["seq"], wait_seconds=0)
    assert len(told["enforced"]) + len(told["silent"]) == 2


def test_a_tainted_key_ends_its_tokens(issuer, verifier):
    """What the key signed is refused as soon as the operator is told so; what its successor signs is accepted."""
    token = issuer.tokens[0]
    verifier.verify(token)
    kid = parse_unverified(token).unverified_header()["kid"]
    change = issuer.post("/revoke", what=f"key:{kid}", reason="a test")
    told = enforcement(issuer, change["seq"])
    assert outcome_of(verifier, token) is TokenInvalidError
    assert (len(told["enforced"]), told["silent"]) == (1, [])


def test_an_issuer_that_was_killed_is_followed_again(config, caplog):
    """What was revoked after it came back is refused at once, by the same instance; nothing was stale meanwhile."""
    caplog.set_level(logging.INFO, "remit.verifier")
    with running(config) as issuer:
        prepared(issuer)
        tokens, credential, url = issuer.tokens, issuer.credential, issuer.url
        with remit.Verifier(url, AUDIENCE, credential=credential) as verifier:
            assert outcome_of(verifier, tokens[0]) is None
            issuer.kill()
            listen = {"REMIT_HTTP__LISTEN": f"127.0.0.1:{url.rpartition(':')[2]}", "REMIT__PUBLIC_URL": url}
            with running(config, environment=listen) as again:
                assert again.url == url
                assert outcome_of(verifier, tokens[1]) is None
                change = again.post("/revoke", what=AGENTS[0], reason="a test")
                told = enforcement(again, change["seq"], wait_seconds=10)
                assert outcome_of(verifier, tokens[0]) is RevokedError
                assert (len(told["enforced"]), told["silent"]) == (1, [])


def test_a_new_credential_ends_the_old_one(issuer, verifier, caplog):
    """The verifier goes on without a name, by the same rules, and says so once."""
    issuer.post("/providers/shop/credential")
    issuer.post("/suspend", what=AGENTS[0], reason="a test")
    wait_for(verifier, issuer.tokens[0], SuspendedError)
    wait_until(lambda: "refuses the provider credential" in caplog.text)
    issuer.post("/resume", what=AGENTS[0], reason="a test")
    assert wait_for(verifier, issuer.tokens[0], None) < 5
