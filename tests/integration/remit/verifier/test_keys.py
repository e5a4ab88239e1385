"""The issuer's keys are followed as they change, within their bound, and only for its own trust domain."""

import time

import pytest

from remit.errors import RevokedError, StaleError, TokenInvalidError
from remit.verifier import Verifier
from tests.fakes.outcomes import QUICK, outcome_of, wait_for
from tests.fakes.public_issuer import AUDIENCE, SigningKey


def test_a_list_signed_by_an_unknown_key_is_not_taken(issuer):
    """Only the issuer's published status keys sign lists; a token key does not."""
    with Verifier(issuer.url, AUDIENCE, poll_interval=0.05, max_staleness=1.5) as verifier:
        token = issuer.token()
        issuer.answers["/status/keys"] = lambda _: (500, {}, b"")
        issuer.status_key = SigningKey("status-1", 999)
        issuer.set_status(412, 2)
        assert wait_for(verifier, token, StaleError) < 3


def test_a_rotated_status_key_is_followed(issuer, verifier):
    """New status keys are read as soon as a list does not verify with the old ones."""
    token = issuer.token()
    issuer.status_key = SigningKey("status-2", 303)
    issuer.set_status(412, 1)
    assert wait_for(verifier, token, RevokedError) < 2


def test_an_unknown_key_is_refused_at_once_and_looked_up(issuer, verifier):
    """The bundle's hint says five minutes, but an unknown kid makes the verifier look sooner, at a bounded rate."""
    issuer.rotate(SigningKey("key-2", 104))
    token = issuer.token()
    assert outcome_of(verifier, token) is TokenInvalidError
    assert wait_for(verifier, token, None) < 2
    before = issuer.requests.count("/bundle")
    unknown = issuer.sign(issuer.claims(), SigningKey("key-9", 105))
    ends = time.monotonic() + 0.6
    while time.monotonic() < ends:
        assert outcome_of(verifier, unknown) is TokenInvalidError
    assert issuer.requests.count("/bundle") - before <= 2


def test_a_key_that_left_the_bundle_signs_no_more(issuer):
    """A removed key ends the tokens that were verified with it, remembered or not."""
    issuer.refresh_hint = 1
    with Verifier(issuer.url, AUDIENCE, **QUICK) as verifier:
        token = issuer.token()
        verifier.verify(token)
        issuer.rotate(SigningKey("key-2", 104))
        wait_for(verifier, token, TokenInvalidError)


def test_a_bundle_that_cannot_be_read_again_ends_trust(issuer):
    """With fresh lists but without its bundle an issuer is trusted for twice the hint and the bound, not longer."""
    issuer.refresh_hint = 1
    with Verifier(issuer.url, AUDIENCE, poll_interval=0.05, max_staleness=0.5) as verifier:
        issuer.answers["/bundle"] = lambda _: (500, {}, b"")
        issuer.answers["/status/keys"] = lambda _: (500, {}, b"")
        assert wait_for(verifier, issuer.token(), StaleError) < 4


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
        wait_for(verifier, token, RevokedError)


def test_an_empty_bundle_is_not_a_reason_to_trust_nobody_or_everybody(issuer):
    """An empty key set is refused as a document; what was known stays until its bound."""
    issuer.refresh_hint = 1
    with Verifier(issuer.url, AUDIENCE, **QUICK) as verifier:
        issuer.answers["/bundle"] = lambda _: (200, {}, b'{"keys":[]}')
        asked = issuer.requests.count("/bundle")
        while issuer.requests.count("/bundle") == asked:
            time.sleep(0.01)
        assert outcome_of(verifier, issuer.token()) is None


def test_the_trust_domain_may_not_change(issuer, verifier):
    """What the issuer announced when it was loaded holds; other agents' names are refused whatever it says later."""
    issuer.trust_domain = "example.net"
    issuer.rotate(SigningKey("key-2", 104))
    moved = issuer.token()
    assert outcome_of(verifier, moved) is TokenInvalidError
    stayed = issuer.token(sub="spiffe://example.org/account/acme/agent/planner")
    wait_for(verifier, stayed, None)
    with pytest.raises(TokenInvalidError) as refused:
        verifier.verify(moved)
    assert refused.value.code == "wrong_trust_domain"
