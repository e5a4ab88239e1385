"""One line of `remit doctor`."""

from enum import StrEnum
from typing import Self

import msgspec


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True):
    """What one check found.

    Attributes:
        check: what was looked at.
        level: how bad it is.
        detail: what was found.
        hint: what to do about it, or None.
    """

    check: str
    level: Level
    detail: str
    hint: str | None = None

    @classmethod
    def ok(cls, check: str, detail: str) -> Self:
        """Nothing to do."""
        return cls(check, Level.OK, detail)

    @classmethod
    def warn(cls, check: str, detail: str, hint: str) -> Self:
        """Works, but somebody should look at it."""
        return cls(check, Level.WARN, detail, hint)

    @classmethod
    def fail(cls, check: str, detail: str, hint: str) -> Self:
        """Does not work."""
        return cls(check, Level.FAIL, detail, hint)
