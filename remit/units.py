"""The unit registry: what may be counted, and how many decimals an amount of it has by default.

An amount is an integer of 10^-decimals units and at most 2^53 - 1, so a coin of 18 decimals is counted with 9.
"""

from typing import Final

from remit.errors import InvalidInputError

MAX_DECIMALS: Final = 18

_DEFAULT_DECIMALS: Final = {
    "USD": 6,
    "EUR": 6,
    "GBP": 6,
    "CHF": 6,
    "JPY": 6,
    "CNY": 6,
    "INR": 6,
    "USDC": 6,
    "USDT": 6,
    "EURC": 6,
    "BTC": 8,
    "ETH": 9,
    "requests": 0,
    "tokens": 0,
}


def default_decimals(unit: str) -> int:
    """The decimals that `unit` is counted with unless an amount says otherwise.

    Raises:
        InvalidInputError: the unit is not in the registry.
    """
    try:
        return _DEFAULT_DECIMALS[unit]
    except KeyError:
        hint = f"use one of {', '.join(known_units())}"
        raise InvalidInputError(f"unknown unit {unit[:32]!r}", code="unknown_unit", hint=hint) from None


def known_units() -> tuple[str, ...]:
    """Every unit of the registry."""
    return tuple(_DEFAULT_DECIMALS)
