"""Amounts: integers of 10^-decimals units, compared by exact scaling, never a float."""

import re
from typing import Final, Self

import msgspec

from remit.errors import InvalidInputError
from remit.units import MAX_DECIMALS, default_decimals

MAX_AMOUNT: Final = 2**53 - 1
"""The largest integer that every JSON implementation keeps exact (RFC 8259 section 6)."""

_SCALES: Final[tuple[int, ...]] = tuple(10 ** (MAX_DECIMALS - decimals) for decimals in range(MAX_DECIMALS + 1))
_TEXT: Final = re.compile(r"(\d{1,19})(?:\.(\d{1,18}))? ([A-Za-z]{1,32})", re.ASCII)


class Amount(msgspec.Struct, frozen=True, eq=False, order=False, gc=False):
    """`amount` times 10^-`decimals` of `unit`, for example 50000 with 6 decimals of USD: 0.05 USD.

    Two amounts of one unit are equal when their values are, whatever their decimals; amounts of different units are
    never equal, and ordering them is a `TypeError`.

    Attributes:
        amount: 0 to 2^53 - 1; anything but an `int` (a float, a bool) is a `TypeError`.
        unit: a name of the unit registry.
        decimals: 0 to 18.
    """

    amount: int
    unit: str
    decimals: int

    def __post_init__(self) -> None:
        """Refuse what is not an exact, known, bounded amount."""
        for name, value in (("amount", self.amount), ("decimals", self.decimals)):
            if type(value) is not int:
                raise TypeError(f"{name} must be an int, not {type(value).__name__}")
        default_decimals(self.unit)
        if not 0 <= self.amount <= MAX_AMOUNT:
            raise InvalidInputError("amount is not between 0 and 2^53 - 1", hint="use fewer decimals")
        if not 0 <= self.decimals <= MAX_DECIMALS:
            raise InvalidInputError(f"decimals {self.decimals} is not between 0 and {MAX_DECIMALS}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `"0.05 USD"` with the unit's default decimals.

        Raises:
            TypeError: `text` is not a `str`; a float is never an amount.
            InvalidInputError: not `<digits>[.<digits>] <unit>`, an unknown unit, too many decimals, or too large.
        """
        if not isinstance(text, str):
            raise TypeError(f'an amount is text such as "0.05 USD", not {type(text).__name__}')
        match = _TEXT.fullmatch(text)
        if match is None:
            raise InvalidInputError(f"not an amount: {text[:64]!r}", hint='write it as "0.05 USD"')
        whole, fraction, unit = match[1], match[2] or "", match[3]
        decimals = default_decimals(unit)
        if len(fraction.rstrip("0")) > decimals:
            raise InvalidInputError(f"{unit} is counted with {decimals} decimals, {text!r} has more")
        return cls(int(whole + fraction[:decimals].ljust(decimals, "0")), unit, decimals)

    def __str__(self) -> str:
        whole, fraction = divmod(self.amount, 10**self.decimals)
        digits = str(fraction).zfill(self.decimals).rstrip("0") if fraction else ""
        return f"{whole}.{digits} {self.unit}" if digits else f"{whole} {self.unit}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Amount):
            return NotImplemented
        return self.unit == other.unit and self._scaled() == other._scaled()

    def __hash__(self) -> int:
        return hash((self.unit, self._scaled()))

    def __lt__(self, other: "Amount") -> bool:
        return self._compared(other) < other._scaled()

    def __le__(self, other: "Amount") -> bool:
        return self._compared(other) <= other._scaled()

    def __gt__(self, other: "Amount") -> bool:
        return self._compared(other) > other._scaled()

    def __ge__(self, other: "Amount") -> bool:
        return self._compared(other) >= other._scaled()

    def _compared(self, other: object) -> int:
        """This value, scaled for a comparison with `other`, if there can be one."""
        if not isinstance(other, Amount):
            raise TypeError(f"an amount does not compare with {type(other).__name__}")
        if self.unit != other.unit:
            raise TypeError(f"{self.unit} and {other.unit} do not compare")
        return self._scaled()

    def _scaled(self) -> int:
        """The value in the finest decimals that any amount can have; exact, as integers do not overflow."""
        return self.amount * _SCALES[self.decimals]
