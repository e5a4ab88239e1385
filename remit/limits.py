"""Spend limits: how much of one unit may be spent in one window, or by one authorization."""

from enum import StrEnum
from typing import Final

import msgspec

from remit.amounts import Amount
from remit.errors import InvalidInputError

MAX_PERIOD_SECONDS: Final = 366 * 86400


class Interval(StrEnum):
    """The span that a limit covers; calendar intervals are in UTC, weeks begin on Monday."""

    PER_AUTHORIZATION = "per_authorization"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    TOTAL = "total"
    ROLLING = "rolling"


Window = tuple[str, Interval, int | None]
"""What a limit counts over: unit, interval, period in seconds (rolling limits only)."""


class SpendLimit(msgspec.Struct, frozen=True, gc=False):
    """At most `amount` per `interval`.

    Attributes:
        amount: the most that may be spent.
        interval: over which span.
        period: its length in seconds, 1 to 366 days; for `rolling`, and for nothing else.
    """

    amount: Amount
    interval: Interval
    period: int | None = None

    def __post_init__(self) -> None:
        """Refuse an interval without its period, and a period without its interval."""
        if self.interval is not Interval.ROLLING:
            if self.period is not None:
                raise InvalidInputError(f"a {self.interval} limit has no period", hint="only rolling limits have one")
        elif type(self.period) is not int or not 0 < self.period <= MAX_PERIOD_SECONDS:
            raise InvalidInputError(f"a rolling limit needs a period of 1 to {MAX_PERIOD_SECONDS} seconds")

    @property
    def window(self) -> Window:
        """What the limit counts over; only limits of one window compare."""
        return (self.amount.unit, self.interval, self.period)

    def __str__(self) -> str:
        span = f"rolling {self.period} s" if self.period else self.interval.value
        return f"{self.amount} {span}"
