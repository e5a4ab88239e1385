"""Nonces without a store: how long one lives, and that nobody else can make one."""

import pytest

from remit.errors import ConfigurationError
from remit.nonces import SPAN_SECONDS, ProofNonces

NOW = 1_800_000_000


def test_a_nonce_lives_for_its_span_and_the_next() -> None:
    """It is good now and in the next span, then no more; nor was it before."""
    nonces = ProofNonces(b"k" * 32)
    nonce = nonces.current(NOW)
    assert nonces.accepts(nonce, NOW)
    assert nonces.accepts(nonce, NOW + SPAN_SECONDS)
    assert not nonces.accepts(nonce, NOW + 2 * SPAN_SECONDS)
    assert not nonces.accepts(nonce, NOW - SPAN_SECONDS)


@pytest.mark.parametrize("nonce", [None, "", "x", "é", "A" * 5000])
def test_what_is_no_nonce_is_not_accepted(nonce: str | None) -> None:
    """Missing, empty and foreign text is refused."""
    assert not ProofNonces(b"k" * 32).accepts(nonce, NOW)


def test_another_key_gives_other_nonces() -> None:
    """Only issuers that share the key accept each other's nonces."""
    ours, theirs = ProofNonces(b"k" * 32), ProofNonces(b"j" * 32)
    assert not theirs.accepts(ours.current(NOW), NOW)
    assert ProofNonces(b"k" * 32).accepts(ours.current(NOW), NOW)


def test_a_short_key_is_refused() -> None:
    """A key that could be guessed is not taken."""
    with pytest.raises(ConfigurationError, match="32 bytes"):
        ProofNonces(b"short")


def test_a_key_that_is_not_given_is_drawn() -> None:
    """Each process knows its own nonces and nobody else's."""
    ours, theirs = ProofNonces(), ProofNonces()
    assert ours.accepts(ours.current(NOW), NOW)
    assert not theirs.accepts(ours.current(NOW), NOW)
