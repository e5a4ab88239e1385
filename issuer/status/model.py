"""The values of status lists."""

from collections.abc import Sequence
from typing import Final

import msgspec

LIST_SIZE: Final = 1 << 17
"""Indexes of a status list. Every list has this size from its first day, so that its size says nothing."""


class StatusIndex(msgspec.Struct, frozen=True, order=True, gc=False):
    """A place in a status list.

    Attributes:
        list: the list's number.
        idx: the index in it, from 0.
    """

    list: int
    idx: int


class Mark(msgspec.Struct, frozen=True, order=True, gc=False, array_like=True):
    """What an index says from now on.

    Attributes:
        list: the list's number.
        idx: the index in it.
        value: 0 valid, 1 invalid, 2 suspended.
    """

    list: int
    idx: int
    value: int


class StatusChange(msgspec.Struct, frozen=True, kw_only=True):
    """What one number of the head stands for.

    Attributes:
        verb: what was done: `revoke`, `suspend`, `resume`, `complete`, or `create` for a grant that was born suspended.
        what: to what, in words: `agent acme/planner`.
        account: the account that it was of; None: of none, or of several.
        marks: every index that says something else now.
        keys: the `kid`s of token keys that are not to be trusted any more.
        requested_at_ms: when it was asked for, milliseconds since the epoch.
    """

    verb: str
    what: str
    account: str | None
    marks: Sequence[Mark]
    keys: tuple[str, ...] = ()
    requested_at_ms: int


class ListSnapshot(msgspec.Struct, frozen=True):
    """One list as it was at one moment: what a signer needs.

    Attributes:
        number: the list's number.
        size: how many indexes it has.
        seq: the head's sequence number at that moment; no change up to it is missing.
        marked: index and value of every index that is not valid (1 invalid, 2 suspended).
    """

    number: int
    size: int
    seq: int
    marked: tuple[tuple[int, int], ...]


class ListFigures(msgspec.Struct, frozen=True):
    """How far a list is used.

    Attributes:
        number: the list's number.
        size: how many indexes it has.
        allocated: how many were drawn.
        revoked: how many of those are invalid.
        suspended: how many of those are suspended.
    """

    number: int
    size: int
    allocated: int
    revoked: int
    suspended: int


class StatusFigures(msgspec.Struct, frozen=True):
    """All lists, and the head's sequence number.

    Attributes:
        seq: grows by one with each transaction that changes the value of any index.
        lists: every list, by number, those that have ended included.
    """

    seq: int
    lists: tuple[ListFigures, ...]
