"""How many anonymous refusals of one code the log takes: a token bucket over the records' own times."""

from typing import Final

BURST: Final = 100
"""How many are taken at once."""

INTERVAL_MS: Final = 10_000
"""After a burst one more is taken each time so many milliseconds have passed."""


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
