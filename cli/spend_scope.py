"""A spend scope from the command line or from a file."""

import re
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from remit.amounts import Amount
from remit.errors import InvalidInputError
from remit.limits import Interval, SpendLimit
from remit.reasons import reason_of
from remit.scope import SpendScope

Limits = Annotated[
    list[str] | None,
    typer.Option(
        help='At most so much per interval, such as "20 USD daily", "500 requests hourly" or "2 USD rolling 3600".',
        show_default=False,
    ),
]
Locations = Annotated[
    list[str] | None,
    typer.Option(help="A URL that may be called, or a prefix of URLs that ends in `/`.", show_default=False),
]
Actions = Annotated[list[str] | None, typer.Option(help="An action that is allowed.", show_default=False)]
Models = Annotated[list[str] | None, typer.Option(help="A model that is allowed.", show_default=False)]
Tools = Annotated[list[str] | None, typer.Option(help="A tool that is allowed.", show_default=False)]

_LIMIT = re.compile(r"(?P<amount>\S+ \S+) (?P<interval>[a-z_]+)(?: (?P<period>[0-9]{1,9}))?", re.ASCII)


def build_scope(
    limits: list[str] | None,
    locations: list[str] | None,
    actions: list[str] | None,
    models: list[str] | None,
    tools: list[str] | None,
) -> dict[str, object] | None:
    """The wire form of what the options ask for, None when they ask for nothing; raises InvalidInputError."""
    if not any((limits, locations, actions, models, tools)):
        return None
    scope = SpendScope(
        locations=_listed(locations),
        actions=_listed(actions),
        models=_listed(models),
        tools=_listed(tools),
        spend_limits=tuple(parse_limit(limit) for limit in limits) if limits else None,
    )
    return scope.to_wire()


def read_scope(path: Path) -> dict[str, object]:
    """The agent_spend object in a JSON file, `-` being stdin.

    Raises:
        InvalidInputError: the file cannot be read, or does not hold exactly one valid object.
    """
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot read the scope file {path}: {reason_of(error)}") from None
    try:
        return SpendScope.parse(content).to_wire()
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error.detail}", code=error.code, hint=error.hint) from None


def parse_limit(text: str) -> SpendLimit:
    """Read `20 USD daily` or `2 USD rolling 3600`; raises InvalidInputError."""
    match = _LIMIT.fullmatch(text.strip())
    if match is None or match["interval"] not in set(Interval):
        intervals = ", ".join(interval.value for interval in Interval)
        raise InvalidInputError(
            f"not a spend limit: {text[:64]!r}", hint=f'write it as "20 USD daily"; intervals: {intervals}'
        )
    period = int(match["period"]) if match["period"] else None
    return SpendLimit(Amount.parse(match["amount"]), Interval(match["interval"]), period)


def describe_scope(wire: object) -> str:
    """The wire form as people read it, on one line; as JSON when it is none that this version knows."""
    encoded = msgspec.json.encode(wire)
    try:
        return str(SpendScope.parse(encoded))
    except InvalidInputError:
        return encoded.decode()


def _listed(names: list[str] | None) -> tuple[str, ...] | None:
    return tuple(names) if names else None
