"""Status lists stay fresh, or the tokens on them are refused."""

import time

import pytest

from remit.credential import StatusReference
from remit.errors import RevokedError, StaleError, SuspendedError, TokenInvalidError
from remit.verifier import Verifier
from tests.fakes.outcomes import outcome_of, wait_for
from tests.fakes.public_issuer import AUDIENCE, PublicIssuer


def test_a_revocation_takes_effect_at_the_next_poll(issuer, verifier):
    """Revoked, suspended and resumed: a token seen before changes its outcome with its grant."""
    token = issuer.token()
    verifier.verify(token)
    for status, expected in ((2, SuspendedError), (0, None), (1, RevokedError)):
        issuer.set_status(412, status)
        assert wait_for(verifier, token, expected) < 2
    assert verifier.verify(issuer.token(index=413)).account == "acme"


def test_a_silent_issuer_makes_everything_stale_at_the_bound(issuer):
    """Not before the bound and not long after it; and back to normal when the issuer answers."""
    with Verifier(issuer.url, AUDIENCE, poll_interval=0.05, max_staleness=2.0) as verifier:
        token = issuer.token()
        verifier.verify(token)
        issuer.pause()
        took = wait_for(verifier, token, StaleError)
        assert 0.8 < took < 2.5
        assert outcome_of(verifier, issuer.token(jti="new")) is StaleError
        issuer.resume()
        wait_for(verifier, token, None)


@pytest.mark.parametrize("status", [304, 500])
def test_an_answer_without_a_list_renews_nothing(issuer, status):
    """A 304 or an error is not fresh, however often it comes."""
    with Verifier(issuer.url, AUDIENCE, poll_interval=0.05, max_staleness=1.5) as verifier:
        token = issuer.token()
        issuer.answers["/statuslists/1"] = lambda _: (status, {}, b"")
        assert wait_for(verifier, token, StaleError) < 3


def test_a_replayed_list_renews_nothing(issuer):
    """An old list, rightly signed, served again and again: stale at the bound, and never un-revokes."""
    with Verifier(issuer.url, AUDIENCE, poll_interval=0.05, max_staleness=1.5) as verifier:
        token = issuer.token()
        old = issuer.status_list().encode()
        issuer.set_status(412, 1)
        wait_for(verifier, token, RevokedError)
        issuer.answers["/statuslists/1"] = lambda _: (200, {}, old)
        deadline = time.monotonic() + 3
        while (outcome := outcome_of(verifier, token)) is RevokedError:
            assert time.monotonic() < deadline
        assert outcome is StaleError


def test_one_lost_list_does_not_hurt_the_others(issuer):
    """The tokens of the lists that are served stay good."""
    with Verifier(issuer.url, AUDIENCE, poll_interval=0.05, max_staleness=1.5) as verifier:
        issuer.answers["/statuslists/1"] = lambda _: (500, {}, b"")
        first, second = issuer.token(), issuer.token(number=2, jti="second")
        wait_for(verifier, first, StaleError)
        assert outcome_of(verifier, second) is None


def test_a_new_list_is_known_before_its_first_token(issuer, verifier):
    """An announced list is fetched at the next poll; a token of one that is not announced is refused."""
    issuer.statuses[3] = {}
    token = issuer.token(number=3)
    assert wait_for(verifier, token, None) < 2
    assert outcome_of(verifier, issuer.token(number=4, jti="other")) is TokenInvalidError


def test_only_the_issuers_documents_are_fetched(issuer, verifier):
    """A token cannot make the verifier fetch anything."""
    for uri in (f"{issuer.url}/secret", "http://127.0.0.1:9/x"):
        claims = issuer.claims(status={"status_list": {"idx": 1, "uri": uri}})
        assert outcome_of(verifier, issuer.sign(claims)) is TokenInvalidError
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
        wait_for(verifier, theirs, StaleError)
        for _ in range(100):
            assert outcome_of(verifier, ours) is None
            time.sleep(0.01)


def test_a_dripping_answer_ends_at_the_deadline(issuer):
    """One byte at a time does not hold the thread: the whole exchange has one deadline."""
    with Verifier(issuer.url, AUDIENCE, poll_interval=0.05, max_staleness=1.5) as verifier:
        token = issuer.token()
        issuer.drip_seconds = 0.1
        wait_for(verifier, token, StaleError)
        issuer.drip_seconds = 0
        assert wait_for(verifier, token, None) < 3


def test_the_status_of_a_kept_token_can_be_asked(issuer, verifier):
    """A cache asks by list and index before it hands a token out again."""
    status = StatusReference(issuer.list_uri(), 412)
    verifier.watch.check_status(status)
    issuer.set_status(412, 1)
    wait_for(verifier, issuer.token(), RevokedError)
    with pytest.raises(RevokedError):
        verifier.watch.check_status(status)
    with pytest.raises(TokenInvalidError):
        verifier.watch.check_status(StatusReference(issuer.list_uri(), 4096))
