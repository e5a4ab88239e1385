"""Narrowing: what a child scope asks for beyond its parent's. Nothing here ever widens.

Each function answers with what is too wide, in words, and with nothing when the child is within the parent.
`None` is a list that is absent: it restricts nothing. An empty list permits nothing, so it is within every other.
"""

from collections.abc import Iterable, Iterator

from remit.limits import SpendLimit, Window
from remit.locations import LocationSet

Names = tuple[str, ...] | None
Limits = tuple[SpendLimit, ...] | None


def excess_names(dimension: str, child: Names, parent: Names) -> Iterator[str]:
    """The actions, models or tools of `child` that `parent` does not list."""
    if parent is None:
        return
    if child is None:
        yield f"{dimension}: all of them"
        return
    yield from (f"{dimension}: {name!r}" for name in child if name not in parent)


def excess_locations(child: Names, parent: Names) -> Iterator[str]:
    """The normalised locations of `child` that are neither in `parent` nor below one of its prefixes."""
    if parent is None:
        return
    if child is None:
        yield "locations: all of them"
        return
    covered = LocationSet(parent)
    yield from (f"locations: {each.partition('?')[0]!r}" for each in child if not covered.covers(each))


def excess_limits(child: Limits, parent: Limits) -> Iterator[str]:
    """What `child` may spend beyond `parent`: units it has no limit for, and limits that are looser or missing."""
    if parent is None or child == ():
        return
    if child is None:
        yield "spend_limits: none at all"
        return
    units = {limit.amount.unit for limit in parent}
    yield from (f"spend_limits: {limit}" for limit in child if limit.amount.unit not in units)
    tightest = _tightest(child)
    for limit in parent:
        ours = tightest.get(limit.window)
        if ours is None or ours.amount > limit.amount:
            yield f"spend_limits: {ours or 'nothing'} where at most {limit} is allowed"


def inherit_limits(child: Limits, parent: Limits) -> Limits:
    """The limits of `child`, and those of `parent` for every window that `child` does not limit itself."""
    if child is None or parent is None:
        return parent if child is None else child
    if not child:
        return child
    own = {limit.window for limit in child}
    return (*child, *(limit for limit in parent if limit.window not in own))


def _tightest(limits: Iterable[SpendLimit]) -> dict[Window, SpendLimit]:
    tightest: dict[Window, SpendLimit] = {}
    for limit in limits:
        known = tightest.setdefault(limit.window, limit)
        if limit.amount < known.amount:
            tightest[limit.window] = limit
    return tightest
