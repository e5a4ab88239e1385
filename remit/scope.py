"""The spend scope: what may be called, and how much of it may be paid for (RFC 9396, type `agent_spend`).

Where there is no list, anything goes; where there is an empty one, nothing does. A call has to name whatever the scope
restricts. A scope states a ceiling: it refuses the call that alone exceeds a limit, the ledger decides what is left.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NoReturn

from msgspec import UNSET, UnsetType, json

from remit.amounts import Amount
from remit.errors import InvalidInputError, ScopeRefusedError
from remit.limits import SpendLimit
from remit.locations import LocationSet, normalise_location
from remit.narrowing import Names, excess_limits, excess_locations, excess_names, inherit_limits
from remit.scope_wire import DETAIL_TYPE, Funding, LimitWire, ScopeWire, decode_scope, encode_scope
from remit.scope_words import describe

MAX_ENTRIES: Final = 256
"""The most entries in any one list of a scope."""

_MAX_NAME_LENGTH: Final = 256
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendScope:
    """What an agent may call and spend; valid, normalised and made ready for matching once it exists.

    Attributes:
        locations: URLs, or prefixes of them that end in `/`, in normal form; None restricts nothing, () permits nothing.
        actions: as `locations`, by exact name.
        models: as `actions`.
        tools: as `actions`.
        spend_limits: all hold together; an amount in a unit that none of them names is refused.
        funding: how the grant came to its money, or None where it does not say.
    """

    locations: tuple[str, ...] | None = None
    actions: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    spend_limits: tuple[SpendLimit, ...] | None = None
    funding: Funding | None = None
    _covered: LocationSet | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check every entry and normalise the locations; raises `InvalidInputError`."""
        for name in ("locations", "actions", "models", "tools", "spend_limits"):
            entries = getattr(self, name)
            if entries is not None:
                _check_entries(name, entries)
        locations = None if self.locations is None else tuple(map(normalise_location, self.locations))
        object.__setattr__(self, "locations", locations)
        object.__setattr__(self, "_covered", None if locations is None else LocationSet(locations))

    @classmethod
    def parse(cls, wire: bytes | str | Mapping[str, object]) -> "SpendScope":
        """Read the wire form: JSON text, or the object that a strict parser made of it. The outcome for bytes is remembered.

        Raises:
            InvalidInputError: an unknown field, unit, interval, type or version, or a value that is not valid.
        """
        return _parse_bytes(wire) if isinstance(wire, bytes) else _from_wire(decode_scope(wire))

    def to_wire(self) -> dict[str, object]:
        """The wire form as plain objects, `type` and `version` first, absent lists left out."""
        wire: dict[str, object] = json.decode(self.encode())
        return wire

    def encode(self) -> bytes:
        """The wire form as JSON: one scope has one encoding."""
        return encode_scope(self._wire())

    def __str__(self) -> str:
        """On one line, in words: `invoke on https://api.example.com/v1/ with model-a; 20 USD daily`."""
        return describe(
            actions=self.actions,
            locations=self.locations,
            models=self.models,
            tools=self.tools,
            spend_limits=self.spend_limits,
        )

    def permits(
        self,
        *,
        location: str | None = None,
        action: str | None = None,
        model: str | None = None,
        tool: str | None = None,
        amount: Amount | None = None,
    ) -> None:
        """Return when the call is within the scope.

        Args:
            location: the URL that is called.
            action: what is done there.
            model: the model that is used, where there is one.
            tool: the tool that is used, where there is one.
            amount: the estimate of its cost; without one, limits are left to the ledger.

        Raises:
            ScopeRefusedError: it is not; `detail` names the dimension.
            TypeError: `amount` is not an `Amount`.
        """
        if location is not None or self._covered is not None:
            self._permit_location(location)
        if self.actions is not None and action not in self.actions:
            _refuse("action", action)
        if self.models is not None and model not in self.models:
            _refuse("model", model)
        if self.tools is not None and tool not in self.tools:
            _refuse("tool", tool)
        if amount is not None or self.spend_limits is not None:
            self._permit_amount(amount)

    def narrow(self, requested: "SpendScope | None") -> "SpendScope":
        """This scope narrowed to `requested`; a list or a limit that it leaves out is inherited.

        Raises:
            ScopeRefusedError: `requested` is wider somewhere; code `scope_too_wide`, `detail` names where.
        """
        if requested is None:
            return self
        narrowed = SpendScope(
            locations=self.locations if requested.locations is None else requested.locations,
            actions=self.actions if requested.actions is None else requested.actions,
            models=self.models if requested.models is None else requested.models,
            tools=self.tools if requested.tools is None else requested.tools,
            spend_limits=inherit_limits(requested.spend_limits, self.spend_limits),
            funding=requested.funding or self.funding,
        )
        if excess := narrowed._excess(self):
            shown = "; ".join(excess[:_SHOWN])
            hint = "ask for no more than the grant allows"
            raise ScopeRefusedError(f"scope is wider than its parent: {shown}", code="scope_too_wide", hint=hint)
        return narrowed

    def is_subset_of(self, parent: "SpendScope") -> bool:
        """Whether everything that this scope permits, `parent` permits too; nothing is inherited here."""
        return not self._excess(parent)

    def _excess(self, parent: "SpendScope") -> list[str]:
        funding_differs = parent.funding is not None and self.funding not in (None, parent.funding)
        return [
            *excess_locations(self.locations, parent.locations),
            *excess_names("actions", self.actions, parent.actions),
            *excess_names("models", self.models, parent.models),
            *excess_names("tools", self.tools, parent.tools),
            *excess_limits(self.spend_limits, parent.spend_limits),
            *([f"funding: {self.funding}"] if funding_differs else []),
        ]

    def _permit_location(self, location: str | None) -> None:
        try:
            normalised = None if location is None else normalise_location(location)
        except InvalidInputError as error:
            raise ScopeRefusedError(error.detail, hint=error.hint) from None
        if self._covered is not None and (normalised is None or not self._covered.covers(normalised)):
            _refuse("location", normalised and normalised.partition("?")[0])

    def _permit_amount(self, amount: Amount | None) -> None:
        if amount is not None and not isinstance(amount, Amount):
            raise TypeError(f"amount must be a remit.Amount, not {type(amount).__name__}")
        if self.spend_limits == ():
            raise ScopeRefusedError("the scope permits no spending at all")
        if amount is None or self.spend_limits is None:
            return
        limits = [limit for limit in self.spend_limits if limit.amount.unit == amount.unit]
        if not limits:
            raise ScopeRefusedError(f"the scope has no limit in {amount.unit}")
        for limit in limits:
            if amount > limit.amount:
                raise ScopeRefusedError(f"amount {amount} is over the limit of {limit}")

    def _wire(self) -> ScopeWire:
        limits = self.spend_limits
        return ScopeWire(
            type=DETAIL_TYPE,
            version=1,
            locations=_or_unset(self.locations),
            actions=_or_unset(self.actions),
            models=_or_unset(self.models),
            tools=_or_unset(self.tools),
            spend_limits=UNSET if limits is None else tuple(LimitWire.of(limit) for limit in limits),
            funding=UNSET if self.funding is None else self.funding,
        )


@lru_cache(maxsize=1024)
def _parse_bytes(wire: bytes) -> SpendScope:
    return _from_wire(decode_scope(wire))


def _from_wire(wire: ScopeWire) -> SpendScope:
    limits = wire.spend_limits
    return SpendScope(
        locations=_or_none(wire.locations),
        actions=_or_none(wire.actions),
        models=_or_none(wire.models),
        tools=_or_none(wire.tools),
        spend_limits=None if isinstance(limits, UnsetType) else tuple(limit.value() for limit in limits),
        funding=None if isinstance(wire.funding, UnsetType) else wire.funding,
    )


def _or_none(names: tuple[str, ...] | UnsetType) -> Names:
    return None if isinstance(names, UnsetType) else names


def _or_unset(names: Names) -> tuple[str, ...] | UnsetType:
    return UNSET if names is None else names


def _check_entries(name: str, entries: object) -> None:
    if not isinstance(entries, tuple) or len(entries) > MAX_ENTRIES:
        raise InvalidInputError(f"{name} is not a tuple of at most {MAX_ENTRIES} entries", code="invalid_scope")
    expected = SpendLimit if name == "spend_limits" else str
    for entry in entries:
        if not isinstance(entry, expected):
            raise InvalidInputError(f"{name} has an entry that is no {expected.__name__}", code="invalid_scope")
        if name in ("actions", "models", "tools") and not 0 < len(str(entry)) <= _MAX_NAME_LENGTH:
            raise InvalidInputError(f"{name} has an entry that is empty or too long", code="invalid_scope")


def _refuse(dimension: str, value: str | None) -> NoReturn:
    if value is None:
        raise ScopeRefusedError(f"the scope restricts {dimension} and the call names none", hint=f"pass {dimension}=")
    raise ScopeRefusedError(f"{dimension} {value[:128]!r} is outside the scope")
