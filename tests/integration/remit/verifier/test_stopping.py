"""Leaving a verifier while its issuer withdraws something, or after its thread met what nobody foresaw."""

import pytest

from remit.errors import StaleError
from remit.verifier import Verifier
from remit.verifier.followers import Followers
from tests.fakes.outcomes import outcome_of, wait_until
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
