"""How many refusals the log takes of those whom nobody registered: token buckets over the records' own times.

Anybody on the network can cause refusals, and anybody who can get evidence of a configured provider (a public CI service,
say) those that come after appraisal; the log never shrinks. What is beyond the pace is counted and not recorded.
"""

from typing import Final

from prometheus_client import Counter

BURST: Final = 100
"""How many are taken at once."""

INTERVAL_MS: Final = 10_000
"""After a burst one more is taken each time so many milliseconds have passed."""

_unrecorded = Counter(
    "remit_refusals_unrecorded_total",
    "Refusals of callers that nobody registered, beyond the rate that the audit log takes, by code; counted here only",
    ["code"],
)


class Pace:
    """A token bucket, full at first."""

    __slots__ = ("_credit_ms", "_last_ms")

    def __init__(self) -> None:
        self._credit_ms = BURST * INTERVAL_MS
        self._last_ms: int | None = None

    def admits(self, at_ms: int) -> bool:
        """Whether one more is taken at `at_ms`. A clock that steps back earns nothing."""
        elapsed = 0 if self._last_ms is None else max(0, at_ms - self._last_ms)
        self._last_ms = at_ms
        self._credit_ms = min(BURST * INTERVAL_MS, self._credit_ms + elapsed)
        if self._credit_ms < INTERVAL_MS:
            return False
        self._credit_ms -= INTERVAL_MS
        return True


class Paces:
    """A pace for each code and source."""

    def __init__(self) -> None:
        """Nothing was refused yet."""
        self._paces: dict[tuple[str, str], Pace] = {}

    def admits(self, code: str, source: str, at_ms: int) -> bool:
        """Whether the log takes one more; if not, it is counted.

        Args:
            code: the refusal's stable code, one of a fixed set.
            source: where it comes from, one of a set that callers cannot enlarge.
            at_ms: milliseconds since the epoch.
        """
        if self._paces.setdefault((code, source), Pace()).admits(at_ms):
            return True
        _unrecorded.labels(code).inc()
        return False
