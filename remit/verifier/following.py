"""Following an issuer's status events: one pure step from what is known to what is known after them.

The rules, in their order, for each event:

1.  A token key that it takes back is dropped, whatever else holds.
2.  Of a change that is applied already nothing more is believed.
3.  The change next in order is applied to every list that does not include it yet. One that cannot be applied (it names
    lists instead of statuses, or an index outside its list) is left to the lists themselves, which are to be read anew.
4.  A later change, or a heartbeat that names one, shows that something was missed: the lists are to be read anew.
5.  A heartbeat renews the lists that it is younger than, only if it names exactly what is applied, nothing newer was ever
    named, it names no newer bundle than the known one, and nothing has gone stale meanwhile: an issuer that went back to an older
    copy of its database may have given the same number to something else by then. Nothing else that is pushed makes anything fresher.

So whatever is lost, late, twice or out of order, a list is never fresher than the last moment at which nothing was missing.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from remit.secevent import StatusEvent, StatusMark
from remit.verifier.state import Announced, Deadlines, IssuerState, KnownList, Moment


class Followed(NamedTuple):
    """What a batch of events came to.

    Attributes:
        state: what is known after them.
        confirmed_at: the `iat` of the newest heartbeat that confirmed what was known then; 0 if none did.
        unknown_lists: whether they named a list that is not known.
    """

    state: IssuerState
    confirmed_at: int
    unknown_lists: bool


def follow(state: IssuerState, events: Iterable[StatusEvent], received: Moment, max_staleness: float) -> Followed:
    """Apply verified `events`, in the order in which they came; they had all arrived at `received`."""
    batch = _Batch(state, received)
    for event in events:
        batch.take(event)
    return batch.ended(max_staleness)


class _Batch:
    """The lists while events are applied to them: each that changes is copied once."""

    def __init__(self, state: IssuerState, received: Moment) -> None:
        self._state = state
        self._received = received
        self._applied = state.applied
        self._changed: dict[str, bytearray] = {}
        self._confirmed_at = 0
        self._unknown_lists = False

    def take(self, event: StatusEvent) -> None:
        announced = Announced(event.seq, event.issued_at, self._received.boot)
        self._state = self._state.without_keys(event.keys).with_announcement(announced, event.bundle_seq)
        if event.is_heartbeat:
            self._confirm(event)
        elif event.seq == self._applied + 1 and not event.lists and self._fits(event.marks):
            self._apply(event)

    def ended(self, max_staleness: float) -> Followed:
        lists = {uri: self._known(uri, known, max_staleness) for uri, known in self._state.lists.items()}
        return Followed(replace(self._state, lists=lists), self._confirmed_at, self._unknown_lists)

    def _confirm(self, heartbeat: StatusEvent) -> None:
        newest = heartbeat.seq == self._applied == self._state.announced.seq
        agrees = newest and heartbeat.bundle_seq <= self._state.bundle_sequence
        if agrees and not self._state.is_stale(self._received):
            self._confirmed_at = max(self._confirmed_at, heartbeat.issued_at)

    def _fits(self, marks: Iterable[StatusMark]) -> bool:
        lists = self._state.lists
        return all(mark.uri not in lists or mark.idx < len(lists[mark.uri].data) * 4 for mark in marks)

    def _apply(self, event: StatusEvent) -> None:
        self._applied = event.seq
        for mark in event.marks:
            known = self._state.lists.get(mark.uri)
            if known is None:  # its tokens are refused until it is read, and it is not taken without this change
                self._unknown_lists = True
            elif known.seq < event.seq:
                if mark.uri not in self._changed:
                    self._changed[mark.uri] = bytearray(known.data)
                _set(self._changed[mark.uri], mark.idx, mark.value)

    def _known(self, uri: str, known: KnownList, max_staleness: float) -> KnownList:
        changed = self._changed.get(uri)
        data = known.data if changed is None or changed == known.data else bytes(changed)
        issued_at, deadlines = known.issued_at, known.deadlines
        if self._confirmed_at > issued_at:
            issued_at = self._confirmed_at
            deadlines = Deadlines(issued_at + max_staleness, self._received.boot + max_staleness)
        return KnownList(max(known.seq, self._applied), issued_at, data, deadlines)


def _set(data: bytearray, index: int, value: int) -> None:
    shift = (index & 3) * 2
    data[index >> 2] = data[index >> 2] & ~(3 << shift) | value << shift
