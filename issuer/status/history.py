"""The newest changes, kept so that a subscriber who was away gets what it missed."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from issuer.status.events import EventSigner, SignedEvent
from remit.secevent import StatusEvent

KEPT: Final = 4096
"""How many changes can be replayed. Who missed more reads the lists anew, which costs less than that many events."""


@dataclass(slots=True)
class _Kept:
    event: StatusEvent
    signed: SignedEvent | None = None


class History:
    """The newest changes, none missing between them."""

    def __init__(self, signer: EventSigner, floor: int, *, most: int = KEPT) -> None:
        """Begin with nothing: what came up to number `floor` is not kept, and later at most `most` changes are."""
        self._signer = signer
        self._floor = floor
        self._most = most
        self._kept: deque[_Kept] = deque()

    @property
    def newest(self) -> int:
        """The number of the newest change that is known."""
        return self._kept[-1].event.seq if self._kept else self._floor

    def extend(self, events: Iterable[StatusEvent]) -> None:
        """Keep the changes that came after the newest one."""
        for event in events:
            if len(self._kept) == self._most:
                self._floor = self._kept.popleft().event.seq
            self._kept.append(_Kept(event))

    def holds(self, seq: int) -> bool:
        """Whether every change after number `seq` is here."""
        return seq >= self._floor

    def after(self, seq: int, limit: int, *, now: int) -> list[SignedEvent]:
        """The first `limit` of what is kept after number `seq`, in order, signed at `now` unless it was before by the same key.

        Raises:
            ConfigurationError: no status key is active.
        """
        first = bisect_right(self._kept, seq, key=lambda kept: kept.event.seq)
        return [self._signed(kept, now) for kept in islice(self._kept, first, first + limit)]

    def _signed(self, kept: _Kept, now: int) -> SignedEvent:
        if kept.signed is None or not self._signer.signed(kept.signed, now=now):
            kept.signed = self._signer.sign(kept.event, now=now)
        return kept.signed
