"""A verifier that polls often, over the public half of an issuer that a test can make misbehave."""

import pytest

from remit.verifier import Verifier
from tests.fakes.outcomes import QUICK
from tests.fakes.public_issuer import AUDIENCE, PublicIssuer


@pytest.fixture
def issuer():
    """The issuer; each test has its own."""
    with PublicIssuer() as running:
        yield running


@pytest.fixture
def verifier(issuer):
    """A verifier of that issuer, loaded."""
    with Verifier(issuer.url, AUDIENCE, **QUICK) as running:
        yield running
