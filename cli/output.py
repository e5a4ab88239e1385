"""How answers look: tables for people, JSON for programs; nothing but the answer goes to stdout."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.spend_scope import describe_scope

JSONObject = Mapping[str, object]

_WIDE = 10_000
"""Columns when stdout is not a terminal: a pipe must never see a line cut short."""


_TITLES = {"at_ms": "TIME"}


class Format(StrEnum):
    """What `-o` takes."""

    TABLE = "table"
    JSON = "json"


def note(message: str) -> None:
    """Say something beside the answer, on stderr."""
    print(printable(message), file=sys.stderr, flush=True)


def print_json(value: object) -> None:
    """Print one indented JSON document; times stay integers of seconds as on the wire."""
    document = msgspec.json.format(msgspec.json.encode(value), indent=2)
    print(document.decode(), flush=True)


def print_json_line(value: object) -> None:
    """Print one JSON document on one line, for streams."""
    print(msgspec.json.encode(value).decode(), flush=True)


def print_list(items: Iterable[JSONObject], columns: Sequence[str], output: Format) -> None:
    """Print items one a row, `columns` naming the keys to show; as JSON: one array with every key."""
    if output is Format.JSON:
        print_json(list(items))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(_title(column), no_wrap=True)
    for item in items:
        table.add_row(*(Text(readable(column, item.get(column))) for column in columns))
    _print_table(table)


def print_item(item: JSONObject, output: Format) -> None:
    """Print one item, one key a line; as JSON: the object."""
    if output is Format.JSON:
        print_json(item)
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in item.items():
        table.add_row(_title(key).lower(), Text(readable(key, value)))
    _print_table(table)


def readable(key: str, value: object) -> str:
    """A value as people read it; `key` tells times (`…_at`, seconds) from other integers."""
    match value:
        case None | "" | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return _readable_integer(key, value)
        case str():
            return printable(value)
        case _:
            return printable(_readable_structure(key, value))


def _readable_structure(key: str, value: object) -> str:
    if isinstance(value, dict) and key == "scope":
        return describe_scope(value)
    if isinstance(value, list) and all(isinstance(element, str) for element in value):
        return ", ".join(value)
    return msgspec.json.encode(value).decode()


def _readable_integer(key: str, value: int) -> str:
    if key.endswith("_at"):
        return utc(value)
    if key == "at_ms" or key.endswith("_at_ms"):
        return f"{utc(value // 1000)[:-1]}.{value % 1000:03d}Z"
    return str(value)


def utc(seconds: int) -> str:
    """Unix seconds as `2026-01-31 12:00:00Z`; what is no time of this era stays a number."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def printable(text: str) -> str:
    r"""Escape control characters: names, reasons and answers come from others and must not drive the terminal."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _title(key: str) -> str:
    return _TITLES.get(key) or key.removesuffix("_ms").removesuffix("_at").replace("_", " ").upper()


def _print_table(table: Table) -> None:
    """Print without the blanks that fill the last column."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDE
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())
    sys.stdout.flush()
