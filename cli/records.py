"""Reading files of records to register: TOML with `[[agent]]` tables, or one JSON object with a `kind` on each line."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from remit.errors import InvalidInputError

KINDS = ("account", "agent", "entry", "grant")

_TABLE = re.compile(rf"\s*\[\[\s*({'|'.join(KINDS)})\s*\]\]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Record:
    """One thing to register.

    Attributes:
        line: where it begins in the file, counted from 1.
        fields: what the issuer is told, `kind` included.
    """

    line: int
    fields: dict[str, object]


def read_records(path: Path, content: bytes) -> list[Record]:
    """Every record of a file, in its order; `.toml` is TOML, everything else JSON lines.

    Raises:
        InvalidInputError: the file does not parse; the message names the line.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path} is not UTF-8 text (byte {error.start})") from None
    read = _from_toml if path.suffix == ".toml" else _from_json_lines
    records = list(read(path, text))
    if not records:
        raise InvalidInputError(f"{path} holds no records", hint=f"a record has a kind: {', '.join(KINDS)}")
    return records


def _from_json_lines(path: Path, text: str) -> Iterator[Record]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            fields = msgspec.json.decode(line, type=dict[str, object])
        except msgspec.DecodeError as error:
            raise InvalidInputError(f"{path}, line {number}: not a JSON object: {_lower(error)}") from None
        if fields.get("kind") not in KINDS:
            raise InvalidInputError(f"{path}, line {number}: kind is none of {', '.join(KINDS)}")
        yield Record(number, fields)


def _from_toml(path: Path, text: str) -> Iterator[Record]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(f"{path}: {_lower(error)}") from None
    if unknown := sorted(set(document) - set(KINDS)):
        raise InvalidInputError(f"{path}: unknown table {unknown[0]!r}", hint=f"tables are [[{']], [['.join(KINDS)}]]")
    lines = _table_lines(text)
    for kind, tables in document.items():
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise InvalidInputError(f"{path}: {kind} is not a list of tables", hint=f"write [[{kind}]]")
        where = lines[kind]
        for index, table in enumerate(tables):
            yield Record(where[index] if len(where) == len(tables) else 1, {"kind": kind, **table})


def _table_lines(text: str) -> dict[str, list[int]]:
    """The lines of the `[[kind]]` headers; tomllib does not tell them."""
    found: dict[str, list[int]] = {kind: [] for kind in KINDS}
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _TABLE.match(line):
            found[match[1]].append(number)
    return found


def _lower(error: Exception) -> str:
    message = str(error)
    return message[:1].lower() + message[1:]
