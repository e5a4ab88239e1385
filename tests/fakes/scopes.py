"""Spend scopes and calls of every kind, for property tests: few names and numbers, so that they often meet."""

from hypothesis import strategies as st

from remit.amounts import Amount
from remit.errors import ScopeRefusedError
from remit.limits import Interval, SpendLimit
from remit.scope import SpendScope

LOCATIONS = [
    "https://a.example/",
    "https://a.example/v1/",
    "https://a.example/v1/x",
    "http://b.example/?q=/",
    "https://a.example/v1",
]
AMOUNTS = st.builds(Amount, st.integers(0, 120), st.sampled_from(["USD", "requests"]), st.sampled_from([0, 1, 2]))
LIMITS = st.builds(
    SpendLimit, AMOUNTS, st.sampled_from([Interval.DAILY, Interval.TOTAL, Interval.PER_AUTHORIZATION])
) | st.builds(SpendLimit, AMOUNTS, st.just(Interval.ROLLING), st.sampled_from([60, 3600]))
NAMES = st.none() | st.lists(st.sampled_from("abc"), max_size=3).map(tuple)
SCOPES = st.builds(
    SpendScope,
    locations=st.none() | st.lists(st.sampled_from(LOCATIONS), max_size=3).map(tuple),
    actions=NAMES,
    models=NAMES,
    tools=NAMES,
    spend_limits=st.none() | st.lists(LIMITS, max_size=4).map(tuple),
)
CALLS = st.fixed_dictionaries(
    {
        "location": st.none() | st.sampled_from([*LOCATIONS, "https://a.example/v2"]),
        "action": st.none() | st.sampled_from("abcd"),
        "model": st.none() | st.sampled_from("abcd"),
        "tool": st.none() | st.sampled_from("abcd"),
        "amount": st.none() | AMOUNTS,
    }
)


def permits(scope: SpendScope, call: dict[str, object]) -> bool:
    """Whether `scope` permits `call`."""
    try:
        scope.permits(**call)
    except ScopeRefusedError:
        return False
    return True
