"""`remit import`: register many at once from a file."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import track

from cli.issuer_client import ADMIN, IssuerClient, connect
from cli.options import Output, examples
from cli.output import Format, print_item
from cli.problems import JSONObject, ProblemError
from cli.records import KINDS, Record, read_records
from remit.errors import UnavailableError

app = typer.Typer(add_completion=False)

_CHUNK = 1000
"""Records of one request, which the issuer registers in one transaction, all or none."""
_NOT_ABOUT_RECORDS = (401, 403, 500, 503)

Skip = Annotated[
    int, typer.Option(min=0, help="Leave out the first records: to go on after an error, which says how many.")
]
File = Annotated[
    Path,
    typer.Argument(
        help="TOML (`[[agent]]` tables) or JSON lines (a `kind` in each); `-` is stdin.", show_default=False
    ),
]


@app.command(
    epilog=examples("remit import agents.toml", "remit import agents.jsonl", "remit import agents.jsonl --skip 2000")
)
def import_(file: File, skip: Skip = 0, output: Output = Format.TABLE) -> None:
    """Register accounts, agents, entries and grants from a file, accounts first, until one is refused."""
    content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    records = in_order(read_records(file, content))
    created: Counter[str] = Counter()
    with connect() as issuer:
        for chunk in _with_progress(records[skip:]):
            try:
                _register(issuer, chunk, created)
            except _RefusedRecordError as refused:
                raise refused.explained(file, skip + created.total()) from None
    print_item({"registered": created.total(), **created}, output)


class _RefusedRecordError(Exception):
    """The first record that the issuer refused; all before it are registered."""

    def __init__(self, record: Record, problem: ProblemError) -> None:
        super().__init__()
        self.record = record
        self.problem = problem

    def explained(self, file: Path, registered: int) -> ProblemError:
        """The error for people: which line, and how to go on."""
        return ProblemError(
            f"{file}, line {self.record.line}: {self.problem.detail}",
            status=self.problem.status,
            code=self.problem.code,
            hint=f"{registered} records are registered; correct that line, then go on with --skip {registered}",
        )


def in_order(records: Sequence[Record]) -> list[Record]:
    """Records in the order in which they can be registered: by kind, and within a kind as in the file."""
    return sorted(records, key=lambda record: KINDS.index(str(record.fields["kind"])))


def _with_progress(records: Sequence[Record]) -> Iterable[Sequence[Record]]:
    chunks = [records[start : start + _CHUNK] for start in range(0, len(records), _CHUNK)]
    console = Console(stderr=True)
    return track(chunks, description="registering", console=console, disable=not console.is_terminal)


def _register(issuer: IssuerClient, chunk: Sequence[Record], created: Counter[str]) -> None:
    """Register a chunk; if it is refused, its halves, until the record that is refused is alone."""
    try:
        answer = issuer.post(f"{ADMIN}/import", {"records": [record.fields for record in chunk]})
    except ProblemError as problem:
        if len(chunk) == 1 or problem.status in _NOT_ABOUT_RECORDS:
            raise _RefusedRecordError(chunk[0], problem) from None
        middle = len(chunk) // 2
        _register(issuer, chunk[:middle], created)
        _register(issuer, chunk[middle:], created)
        return
    created.update(_counts(answer))


def _counts(answer: JSONObject) -> dict[str, int]:
    try:
        return msgspec.convert(answer.get("created"), type=dict[str, int])
    except msgspec.ValidationError:
        raise UnavailableError(
            "the issuer did not say what it registered", hint="do the versions of `remit` and of the issuer agree?"
        ) from None
