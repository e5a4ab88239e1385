"""What a benchmark module yields."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """How much to measure.

    Attributes:
        rounds: pairs of rounds for each ratio.
        quick: a look instead of a measurement: fewer operations in everything.
    """

    rounds: int = 101
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        name: what is measured, as in "verify a new token".
        baseline: what it is compared with, or "" for an absolute figure.
        value: the ratio, or the absolute figure.
        target: what it is to reach.
        unit: "x" for a ratio, else "s", "MB", "KB", "1/s" and so on.
        low: the lower quartile of the rounds.
        high: the upper quartile.
        detail: the absolute figures behind a ratio, for example "79.1 µs, baseline 63.4 µs".
        lower_is_better: the target is an upper bound.
        samples: every single measurement, where their distribution is worth a plot.
    """

    name: str
    baseline: str
    value: float
    target: float
    unit: str = "x"
    low: float | None = None
    high: float | None = None
    detail: str = ""
    lower_is_better: bool = False
    samples: tuple[float, ...] = ()

    @property
    def share(self) -> float:
        """How much of the target is reached: 1.0 is all of it, more is better than asked."""
        return self.target / self.value if self.lower_is_better else self.value / self.target

    @property
    def reached(self) -> bool:
        """Whether the target is reached."""
        return self.share >= 1
