"""Chains of narrowing, as delegations make them: however long and whatever is asked for, nothing at the end is wider than anything above."""

from contextlib import suppress
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from remit.errors import ScopeRefusedError
from remit.limits import SpendLimit
from remit.scope import SpendScope
from tests.fakes.scopes import CALLS, SCOPES, permits

CHAINS = st.lists(st.none() | SCOPES, max_size=6)


def chain(root: SpendScope, requests: list[SpendScope | None]) -> list[SpendScope]:
    """The scopes from the root on; a request that is refused makes none."""
    scopes = [root]
    for requested in requests:
        with suppress(ScopeRefusedError):
            scopes.append(scopes[-1].narrow(requested))
    return scopes


@given(root=SCOPES, requests=CHAINS, call=CALLS)
def test_no_chain_widens_anything(root: SpendScope, requests: list[SpendScope | None], call: dict[str, object]) -> None:
    """Each scope is a subset of every one above it, and permits no call that one of them refuses."""
    for above, below in combinations(chain(root, requests), 2):
        assert below.is_subset_of(above)
        if permits(below, call):
            assert permits(above, call)


@given(root=SCOPES, requests=CHAINS)
def test_no_limit_is_lost_or_loosened(root: SpendScope, requests: list[SpendScope | None]) -> None:
    """For every limit above there is one below over the same window that is as tight; a unit that is refused above stays so."""
    for above, below in combinations(chain(root, requests), 2):
        if above.spend_limits is None or below.spend_limits == ():
            continue
        assert below.spend_limits is not None
        for limit in above.spend_limits:
            assert any(tighter(ours, limit) for ours in below.spend_limits)
        assert {one.amount.unit for one in below.spend_limits} <= {one.amount.unit for one in above.spend_limits}


def tighter(ours: SpendLimit, limit: SpendLimit) -> bool:
    return ours.window == limit.window and ours.amount <= limit.amount


@given(first=SCOPES, second=SCOPES, third=SCOPES)
def test_being_a_subset_is_transitive(first: SpendScope, second: SpendScope, third: SpendScope) -> None:
    """So it is enough to compare each link with the one above it."""
    if first.is_subset_of(second) and second.is_subset_of(third):
        assert first.is_subset_of(third)


@given(scope=SCOPES)
def test_asking_for_what_one_has_changes_nothing(scope: SpendScope) -> None:
    """Nor does asking for nothing."""
    assert scope.narrow(None) == scope
    assert scope.narrow(scope) == scope
