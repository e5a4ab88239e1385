"""How much of what is scarce one user may hold: connections and launches, both made of file descriptors.

Every local user may connect, so nobody may take all descriptors of the process: a share is a fraction of its limit.
"""

import resource
from collections import Counter
from typing import Self

from msgspec import Struct

_MOST = 1024
# A connection is its socket and four to hold its process; while it registers a launch, three more for each process.
_OF_CONNECTION, _CONNECTIONS_PART = 11, 4
# A launch holds its child, before and after it executed, and once more for its task.
_OF_LAUNCH, _LAUNCHES_PART = 7, 8


class Bounds(Struct, frozen=True):
    """What each user may hold at a time.

    Attributes:
        connections: to both sockets together, at most a quarter of the descriptors.
        launches: registered and alive, at most an eighth of the descriptors.
    """

    connections: int
    launches: int

    @classmethod
    def of(cls, descriptors: int) -> Self:
        """The bounds of a process that may have that many descriptors."""
        return cls(
            connections=max(1, min(_MOST, descriptors // _CONNECTIONS_PART // _OF_CONNECTION)),
            launches=max(1, min(_MOST, descriptors // _LAUNCHES_PART // _OF_LAUNCH)),
        )


def raise_descriptor_limit() -> int:
    """Allow this process as many descriptors as it may allow itself; that number."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Shares:
    """Counts what users hold of one thing; `each` is the most that one of them may."""

    def __init__(self, each: int) -> None:
        self.each = each
        self._held: Counter[int] = Counter()

    def take(self, uid: int) -> bool:
        """Take one for that user; False when it holds its share already."""
        if self._held[uid] >= self.each:
            return False
        self._held[uid] += 1
        return True

    def give_back(self, uid: int) -> None:
        """One less is held by that user."""
        self._held[uid] -= 1
        if self._held[uid] <= 0:
            del self._held[uid]
