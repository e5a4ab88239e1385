"""Amounts: exact, bounded, and comparable within their unit only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.amounts import MAX_AMOUNT, Amount
from remit.errors import InvalidInputError
from remit.units import default_decimals, known_units

AMOUNTS = st.builds(Amount, st.integers(0, MAX_AMOUNT), st.sampled_from(["USD", "EUR"]), st.integers(0, 18))


@given(st.integers(0, MAX_AMOUNT), st.sampled_from(known_units()))
def test_text_round_trips(count: int, unit: str) -> None:
    """What an amount says of itself parses to the same amount."""
    amount = Amount(count, unit, default_decimals(unit))
    assert Amount.parse(str(amount)) == amount
    assert (Amount.parse(str(amount)).amount, amount.decimals) == (count, default_decimals(unit))


@given(AMOUNTS, AMOUNTS)
def test_comparison_is_exact(first: Amount, second: Amount) -> None:
    """Amounts of one unit compare as the fractions that they are; equal amounts hash alike."""
    left, right = first.amount * 10**second.decimals, second.amount * 10**first.decimals
    if first.unit != second.unit:
        assert first != second
        with pytest.raises(TypeError):
            _ = first < second
        return
    assert (first == second, first < second, first >= second) == (left == right, left < right, left >= right)
    if first == second:
        assert hash(first) == hash(second)


@pytest.mark.parametrize("value", [0.05, 1, None, b"1 USD"])
def test_only_text_parses(value: str) -> None:
    """A float is a `TypeError`, and so is all else that is not text."""
    with pytest.raises(TypeError):
        Amount.parse(value)


@pytest.mark.parametrize(("amount", "decimals"), [(1.0, 6), (True, 6), ("1", 6), (1, 6.0), (1, True)])
def test_only_integers_count(amount: int, decimals: int) -> None:
    """Neither floats nor booleans pass as counts."""
    with pytest.raises(TypeError):
        Amount(amount, "USD", decimals)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "USD",
        "1USD",
        "1  USD",
        "-1 USD",
        "+1 USD",
        "1. USD",
        ".5 USD",
        "1e3 USD",
        "1,5 USD",
        "1 usd",
        "1 XXX",
        "1 USD\n",
        "0.0000001 USD",
        "1.5 requests",
        "9007199255 USD",
        "\u0661 USD",
    ],
)
def test_refuses_other_text(text: str) -> None:
    """Signs, exponents, unknown units, too many decimals and too large values are refused."""
    with pytest.raises(InvalidInputError):
        Amount.parse(text)


@pytest.mark.parametrize(("amount", "decimals"), [(-1, 6), (2**53, 6), (1, -1), (1, 19)])
def test_refuses_out_of_range(amount: int, decimals: int) -> None:
    """Counts end at 2^53 - 1, decimals at 18."""
    with pytest.raises(InvalidInputError):
        Amount(amount, "USD", decimals)


def test_text() -> None:
    """Amounts read as people write them."""
    assert [str(Amount.parse(text)) for text in ("0.050 USD", "20 USD", "3 requests")] == [
        "0.05 USD",
        "20 USD",
        "3 requests",
    ]
    with pytest.raises(TypeError):
        _ = Amount.parse("1 USD") < 1.0
