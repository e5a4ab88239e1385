"""The wire form of a spend scope: an RFC 9396 authorization detail of type `agent_spend`, version 1.

Unknown fields, units, intervals and types are refused, and so are null, duplicate names and numbers that are not integers.
A field that is absent stays apart from one that is empty.
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from remit.amounts import Amount
from remit.errors import InvalidInputError
from remit.jose import strict_json
from remit.limits import Interval, SpendLimit

DETAIL_TYPE: Final = "agent_spend"
MAX_SCOPE_BYTES: Final = 16384
_MAX_DEPTH: Final = 4
_MOST_OF_REASON: Final = 200
"""Most characters of what is wrong: it names an unknown field in full, whatever its length."""

Funding = Literal["jit", "standing"]


class LimitWire(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One element of `spend_limits`."""

    amount: int
    unit: str
    decimals: int
    interval: Interval
    period: int | UnsetType = UNSET

    @classmethod
    def of(cls, limit: SpendLimit) -> "LimitWire":
        """The wire form of `limit`."""
        amount, period = limit.amount, UNSET if limit.period is None else limit.period
        return cls(
            amount=amount.amount, unit=amount.unit, decimals=amount.decimals, interval=limit.interval, period=period
        )

    def value(self) -> SpendLimit:
        """The limit; raises `InvalidInputError`."""
        period = None if self.period is UNSET else self.period
        return SpendLimit(Amount(self.amount, self.unit, self.decimals), self.interval, period)


class ScopeWire(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole object; the order of its fields is the order on the wire."""

    type: Literal["agent_spend"]
    version: Literal[1]
    locations: tuple[str, ...] | UnsetType = UNSET
    actions: tuple[str, ...] | UnsetType = UNSET
    models: tuple[str, ...] | UnsetType = UNSET
    tools: tuple[str, ...] | UnsetType = UNSET
    spend_limits: tuple[LimitWire, ...] | UnsetType = UNSET
    funding: Funding | UnsetType = UNSET


def decode_scope(wire: bytes | str | Mapping[str, object]) -> ScopeWire:
    """Read JSON text, or an object that a strict parser made of it.

    Raises:
        InvalidInputError: not exactly a version 1 `agent_spend` object; `detail` names the place.
    """
    if isinstance(wire, str):
        wire = wire.encode("utf-8", "surrogatepass")
    value = strict_json(wire, max_bytes=MAX_SCOPE_BYTES, max_depth=_MAX_DEPTH) if isinstance(wire, bytes) else wire
    try:
        return msgspec.convert(value, ScopeWire)
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"not a spend scope: {str(error)[:_MOST_OF_REASON]}", code="invalid_scope") from None


def encode_scope(wire: ScopeWire) -> bytes:
    """The one encoding that Remit emits: fields in their order, no white space."""
    return msgspec.json.encode(wire)
