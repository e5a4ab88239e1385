"""Verifiers and changes as they are now, in memory.

`now` and `noticed` are milliseconds of a clock that only goes forward; `…_at_ms` milliseconds since the epoch, by the database's clock.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from issuer.enforcement.model import CommittedChange, EnforcedAt, OnStale, Settlement

NOTHING: Final = -1
"""What a verifier enforces of which nothing is known yet."""


@dataclass(slots=True, eq=False)
class Verifier:
    """One verifier, as it is now.

    Attributes:
        instance: its process.
        provider: the name of its provider.
        name: host and process, for people.
        bound_ms: having heard nothing for so long it is stale.
        on_stale: what it does then.
        enforced: the newest change that it said it enforces; -1 before it has registered.
        registered_at_ms: when it registered; 0 before that is durable.
        seen_at_ms: when it was heard of last.
        seen: the same on the clock that only goes forward.
        streams: one for each stream of events that it has open; set when that must end.
    """

    instance: str
    provider: str
    name: str
    bound_ms: int
    on_stale: OnStale
    enforced: int = NOTHING
    registered_at_ms: int = 0
    seen_at_ms: int = 0
    seen: int = 0
    streams: set[asyncio.Event] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Following:
    """A change, and who enforces it.

    Attributes:
        change: what was committed.
        noticed: when this issuer saw it.
        missing: the verifiers that have not said that they enforce it, by instance.
        enforced: those that have, by instance.
        lapsed: the names of those that were away for so long that they are not awaited any more.
        complete: set while nobody is missing.
        settled: whether its outcome is on record.
    """

    change: CommittedChange
    noticed: int
    missing: dict[str, Verifier]
    enforced: dict[str, EnforcedAt] = field(default_factory=dict)
    lapsed: list[str] = field(default_factory=list)
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    settled: bool = False

    @property
    def silent_names(self) -> list[str]:
        """Whom the outcome counts as silent: those that are missing, and those that were until they were given up."""
        return sorted([*(verifier.name for verifier in self.missing.values()), *self.lapsed])

    def check(self) -> None:
        """See whether somebody is missing."""
        if self.missing:
            self.complete.clear()
        else:
            self.complete.set()

    @property
    def settlement(self) -> Settlement:
        """What came of it so far."""
        took = [one.milliseconds for one in self.enforced.values() if one.milliseconds is not None]
        silent = len(self.missing) + len(self.lapsed)
        return Settlement(enforced=len(self.enforced), silent=silent, enforced_ms=max(took, default=None))
