"""A fake issuer over real HTTP, and a real sidecar process joined to it."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.fakes.sidecar_issuer import FakeIssuer
from tests.fakes.sidecar_process import SidecarProcess


@pytest.fixture(scope="module")
def served() -> Iterator[SidecarProcess]:
    """A joined sidecar for all tests of a module that leave it as it is; the uid of this test is acme/planner."""
    fake = FakeIssuer()
    fake.register("acme/planner", f"unix:uid:{os.getuid()}")
    with fake.running():
        process = SidecarProcess(fake.url)
        process.start()
        yield process
        process.stop()
        shutil.rmtree(process.folder)


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    """An issuer that knows agent acme/planner by the uid of this test."""
    fake = FakeIssuer()
    fake.register("acme/planner", f"unix:uid:{os.getuid()}")
    with fake.running():
        yield fake


@pytest.fixture
def sidecar(issuer: FakeIssuer) -> Iterator[SidecarProcess]:
    """A joined sidecar that is ready."""
    process = SidecarProcess(issuer.url)
    process.start()
    yield process
    process.stop()
    shutil.rmtree(process.folder)
