"""Who may listen: bounds for those whom nobody knows, and apart from them for each provider."""

from contextlib import ExitStack

import pytest

from issuer.errors import TooManySubscribersError
from issuer.status.subscribers import Bounds, Subscribers


@pytest.fixture
def subscribers():
    return Subscribers(Bounds(anonymous=5, per_address=2, per_provider=3))


def test_an_address_has_its_share(subscribers):
    """One more is refused; others still come, and a place that is left is free again."""
    with ExitStack() as there:
        for _ in range(2):
            there.enter_context(subscribers.anonymously("192.0.2.1"))
        with pytest.raises(TooManySubscribersError, match="this address"), subscribers.anonymously("192.0.2.1"):
            pass
        with subscribers.anonymously("192.0.2.2"):
            assert subscribers.anonymous == 3
    with subscribers.anonymously("192.0.2.1"):
        assert subscribers.anonymous == 1
    assert subscribers.anonymous == 0


def test_all_of_them_have_theirs(subscribers):
    """However many addresses they come from."""
    with ExitStack() as there:
        for number in range(5):
            there.enter_context(subscribers.anonymously(f"192.0.2.{number}"))
        with pytest.raises(TooManySubscribersError, match="anonymously"), subscribers.anonymously("192.0.2.9"):
            pass


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_a_block_of_ipv6_is_one_address(subscribers, first, second, same):
    """A host has a whole /64 to itself."""
    with subscribers.anonymously(first), subscribers.anonymously(second):
        if same:
            with pytest.raises(TooManySubscribersError), subscribers.anonymously(second):
                pass
        else:
            with subscribers.anonymously(second):
                pass


def test_providers_are_bounded_apart(subscribers):
    """Anonymous subscribers take no place of theirs, nor does another provider."""
    with ExitStack() as there:
        for number in range(5):
            there.enter_context(subscribers.anonymously(f"192.0.2.{number}"))
        for _ in range(3):
            there.enter_context(subscribers.of_provider("search"))
        with pytest.raises(TooManySubscribersError, match="this provider"), subscribers.of_provider("search"):
            pass
        with subscribers.of_provider("mail"):
            assert (subscribers.registered, subscribers.anonymous) == (4, 5)
    assert (subscribers.registered, subscribers.anonymous) == (0, 0)


def test_a_place_is_free_however_its_holder_leaves(subscribers):
    """Also by an error."""
    with pytest.raises(RuntimeError), subscribers.of_provider("search"):
        raise RuntimeError
    assert subscribers.registered == 0
