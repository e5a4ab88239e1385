"""When to try again: exponential backoff with full jitter, so that many sidecars do not come back at one moment.

stamina retries one call in place; here many callers share one peer's state and none of them should wait in a sleep.
"""

import random
import time

from remit.errors import UnavailableError


class Circuit:
    """Whether a peer may be asked now. Closed until a failure; then open for a random part of a growing span.

    It guards requests that need the peer; whatever is cached is served without looking at it.
    """

    def __init__(self, *, base_seconds: float = 0.25, cap_seconds: float = 8.0) -> None:
        """`base_seconds` is the span after the first failure, `cap_seconds` the longest."""
        self._base = base_seconds
        self._cap = cap_seconds
        self._failures = 0
        self._closed_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether requests are held back now."""
        return time.monotonic() < self._closed_at

    @property
    def wait_seconds(self) -> float:
        """How long until the peer may be asked; 0 when it may be now."""
        return max(0.0, self._closed_at - time.monotonic())

    def check(self) -> None:
        """Raise `UnavailableError` while the circuit is open."""
        if self.is_open:
            raise UnavailableError(
                "the issuer did not answer the last request", code="issuer_unavailable", hint="try again with a backoff"
            )

    def succeeded(self) -> None:
        """The peer answered: close the circuit."""
        self._failures = 0
        self._closed_at = 0.0

    def failed(self) -> None:
        """The peer did not answer: open the circuit for a while."""
        span = min(self._cap, self._base * 2.0 ** min(self._failures, 16))
        self._failures += 1
        # Spreads load; nothing secret depends on it.
        self._closed_at = time.monotonic() + random.uniform(0.0, span)  # noqa: S311
