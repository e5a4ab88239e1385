"""A spend scope as people read it."""

import pytest

from remit.amounts import Amount
from remit.limits import Interval, SpendLimit
from remit.scope import SpendScope

DAILY = SpendLimit(Amount.parse("20 USD"), Interval.DAILY)
ROLLING = SpendLimit(Amount.parse("5 requests"), Interval.ROLLING, 60)
V1 = "https://api.example.com/v1/"


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (SpendScope(), "unrestricted"),
        (SpendScope(actions=("invoke", "read")), "invoke, read"),
        (SpendScope(locations=(V1,)), f"anything on {V1}"),
        (SpendScope(models=("model-a",)), "anything with model-a"),
        (SpendScope(actions=("invoke",), tools=("search", "fetch")), "invoke using search, fetch"),
        (SpendScope(spend_limits=(DAILY, ROLLING)), "20 USD daily, 5 requests rolling 60 s"),
        (
            SpendScope(actions=("invoke",), locations=(V1,), models=("model-a",), spend_limits=(DAILY,)),
            f"invoke on {V1} with model-a; 20 USD daily",
        ),
        (SpendScope(actions=("invoke",), spend_limits=()), "invoke; no spending"),
        (SpendScope(spend_limits=()), "no spending"),
        (SpendScope(actions=("invoke",), models=()), "nothing (no models)"),
        (
            SpendScope(locations=(), tools=(), spend_limits=(DAILY,)),
            "nothing (no locations and no tools); 20 USD daily",
        ),
    ],
)
def test_a_scope_reads_as_one_line(scope: SpendScope, words: str) -> None:
    """What may be done where, with what, and what may be spent; an absent list and an empty one read differently."""
    assert str(scope) == words
    assert f"{scope}" == words


def test_a_name_cannot_break_the_line() -> None:
    """Names come from others: control characters and line breaks are shown escaped."""
    assert str(SpendScope(actions=("invoke\n; 9 USD daily", "\x1b[2J"))) == r"'invoke\n; 9 USD daily', '\x1b[2J'"


def test_repr_stays_exact() -> None:
    """For those who look for a fault: every field, as the value that it is."""
    assert repr(SpendScope(actions=("invoke",))).startswith(
        "SpendScope(locations=None, actions=('invoke',), models=None"
    )
