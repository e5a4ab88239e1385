"""When to try again: later after each failure, never at the same moment as everybody else."""

import random
from typing import Final

_JITTER: Final = 0.5


class Backoff:
    """A delay that doubles with each failure up to a bound; each is drawn from its upper half.

    Attributes:
        due: when to try next, in seconds of the caller's clock; 0 for at once.
    """

    def __init__(self, first: float, most: float) -> None:
        """Begin with `first` seconds; never wait for more than `most` unless told to."""
        self._first = first
        self._most = most
        self._next = first
        self.due = 0.0

    def failed(self, now: float, at_least: float = 0.0) -> None:
        """Wait, and longer than the last time; not less than `at_least` seconds."""
        self.due = now + max(spread(self._next), at_least)
        self._next = min(self._next * 2, self._most)

    def succeeded(self) -> None:
        """Begin anew, and try at once."""
        self._next = self._first
        self.due = 0.0


def spread(seconds: float) -> float:
    """A time between half of `seconds` and all of them, so that many verifiers do not ask at once."""
    return seconds * random.uniform(1 - _JITTER, 1)  # noqa: S311 - nobody gains by guessing it
