"""Trying again: later each time, within a bound, and not all at once."""

from remit.verifier.pacing import Backoff, spread


def test_the_delay_doubles_up_to_its_bound():
    """Each delay is drawn from the upper half of twice the last one."""
    backoff = Backoff(0.1, 1.0)
    assert backoff.due == 0
    for bound in (0.1, 0.2, 0.4, 0.8, 1.0, 1.0):
        backoff.failed(100.0)
        assert bound / 2 <= backoff.due - 100 <= bound


def test_who_asks_for_more_time_gets_it():
    """As by `Retry-After`; it does not change the next delay."""
    backoff = Backoff(0.1, 1.0)
    backoff.failed(100.0, at_least=7)
    assert backoff.due == 107
    backoff.failed(200.0)
    assert backoff.due <= 200.2


def test_success_begins_anew():
    """And the next try is at once."""
    backoff = Backoff(0.1, 1.0)
    for _ in range(5):
        backoff.failed(100.0)
    backoff.succeeded()
    assert backoff.due == 0
    backoff.failed(100.0)
    assert backoff.due <= 100.1


def test_times_are_spread():
    """Two hundred verifiers do not ask in the same moment."""
    assert len({spread(40.0) for _ in range(200)}) > 100
