"""Shares: nobody holds so much that others go without."""

import resource
import subprocess
import sys

import pytest

from sidecar.shares import Bounds, Shares


def test_a_user_holds_its_share_and_no_more() -> None:
    """Another user's share is its own; what is given back may be taken again."""
    shares = Shares(2)
    assert [shares.take(1), shares.take(1), shares.take(1), shares.take(2)] == [True, True, False, True]
    shares.give_back(1)
    assert [shares.take(1), shares.take(1)] == [True, False]


@pytest.mark.parametrize("descriptors", [1, 256, 1024, 4096, 65536, 1 << 30])
def test_one_user_cannot_hold_all_descriptors(descriptors: int) -> None:
    """Eleven for each connection and six for each launch are less than half of them, unless there are hardly any."""
    bounds = Bounds.of(descriptors)
    assert 11 * bounds.connections + 7 * bounds.launches <= max(18, descriptors // 2)
    assert 1 <= bounds.launches <= 1024
    assert 1 <= bounds.connections <= 1024


def test_the_limit_is_raised_to_what_is_allowed() -> None:
    """The soft limit, often 1024, becomes the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    source = (
        "import resource; from sidecar.shares import raise_descriptor_limit; "
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard})); "
        "print(raise_descriptor_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    assert subprocess.check_output([sys.executable, "-c", source], text=True).split() == [str(hard)] * 3
