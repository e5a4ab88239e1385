"""A bounded memory of the proofs that were used, so that none is used twice (RFC 9449 section 11.1)."""

import heapq
from threading import Lock

from remit.dpop import Proof
from remit.errors import ProofRefusedError
from remit.forking import renew_after_fork


class ReplayCache:
    """Remembers each proof for as long as it could be used again; safe for threads.

    It never forgets a proof that is still good: full of those, it refuses every further one until the oldest ends.
    """

    def __init__(self, max_entries: int = 100_000) -> None:
        """Hold at most `max_entries` proofs, each some 300 bytes."""
        self._max_entries = max_entries
        self._seen: set[tuple[str, str]] = set()
        self._ends: list[tuple[int, tuple[str, str]]] = []
        self._lock = Lock()
        renew_after_fork(self)

    def use(self, proof: Proof, *, now: int) -> None:
        """Use up `proof`, which was verified at `now` (unix seconds).

        Raises:
            ProofRefusedError: it was used before, or the cache is full (code `replay_cache_full`).
        """
        key = (proof.jkt, proof.jti)
        with self._lock:
            while self._ends and self._ends[0][0] < now:
                self._seen.discard(heapq.heappop(self._ends)[1])
            if key in self._seen:
                raise ProofRefusedError("the proof was used before", hint="make a new proof for every request")
            if len(self._seen) >= self._max_entries:
                raise ProofRefusedError("too many proofs at once", code="replay_cache_full", hint="try again later")
            self._seen.add(key)
            heapq.heappush(self._ends, (proof.valid_until, key))

    def after_fork(self) -> None:
        """See `remit.forking`; what was remembered stays."""
        self._lock = Lock()
