"""The circuit."""

import pytest

from remit.errors import UnavailableError
from sidecar import backoff
from sidecar.backoff import Circuit


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that can be set, and jitter that always takes the whole span."""
    now = [100.0]
    monkeypatch.setattr(backoff.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(backoff.random, "uniform", lambda _low, high: high)
    return now


def test_each_failure_doubles_the_span_up_to_the_cap(clock: list[float]) -> None:
    """0.25 s, 0.5 s, … 8 s."""
    circuit = Circuit(base_seconds=0.25, cap_seconds=8.0)
    spans = []
    for _ in range(8):
        circuit.failed()
        spans.append(circuit.wait_seconds)
        clock[0] += circuit.wait_seconds
    assert spans == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_while_it_is_open_nobody_is_let_through(clock: list[float]) -> None:
    """At its end one may try; a success closes it and forgets the failures."""
    circuit = Circuit(base_seconds=1.0)
    circuit.failed()
    with pytest.raises(UnavailableError):
        circuit.check()
    clock[0] += 1.0
    circuit.check()
    circuit.failed()
    circuit.succeeded()
    circuit.check()
    circuit.failed()
    assert circuit.wait_seconds == 1.0
