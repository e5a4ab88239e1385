"""A real verifier over a real issuer on loopback, and an agent's client over a real socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import remit
from tests.fakes.public_issuer import AUDIENCE, PublicIssuer
from tests.fakes.sidecar import FakeSidecar, run_fake_sidecar


@pytest.fixture(scope="module")
def issuer() -> Iterator[PublicIssuer]:
    """An issuer that signs tokens for acme/planner."""
    with PublicIssuer() as running:
        yield running


@pytest.fixture(scope="module")
def verifier(issuer: PublicIssuer) -> Iterator[remit.Verifier]:
    """A verifier of that issuer."""
    with remit.Verifier(issuer=issuer.url, audience=AUDIENCE) as running:
        yield running


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[FakeSidecar]:
    """A sidecar that gives what it is told to."""
    with run_fake_sidecar(tmp_path / "remit.sock") as running:
        yield running
