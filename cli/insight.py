"""`remit insight`: how long authority takes to end, and where it lingers."""

import re
from typing import Annotated

import msgspec
import typer

from cli.issuer_client import ADMIN, connect
from cli.options import Output, examples
from cli.output import Format, note, print_json, print_list, utc
from cli.problems import JSONObject
from remit.errors import InvalidInputError, UnavailableError

app = typer.Typer(add_completion=False)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_COLUMNS = (
    *("verb", "changes", "commit_p50", "commit_p95", "commit_max"),
    *("enforce_p50", "enforce_p95", "enforce_max", "with_silent"),
)
_LINGERING = ("task", "agent", "owner", "opened_at", "last_token_ends_at", "expires_at")


class _Times(msgspec.Struct, frozen=True):
    p50_ms: int
    p95_ms: int
    max_ms: int


class _Verb(msgspec.Struct, frozen=True):
    verb: str
    changes: int
    commit: _Times
    enforce: _Times | None
    silent: int


class _Overview(msgspec.Struct, frozen=True):
    since_at: int
    verbs: list[_Verb]
    lingering: list[JSONObject]
    lingering_count: int


@app.command(epilog=examples("remit insight", "remit insight --since 24h -o json"))
def insight(
    since: Annotated[str, typer.Option(help="Over which span: a number and s, m, h, d or w.")] = "7d",
    output: Output = Format.TABLE,
) -> None:
    """Show how long authority took to end, and what was never ended."""
    with connect() as issuer:
        answer = issuer.get(f"{ADMIN}/insight", since_seconds=parse_span(since))
    if output is Format.JSON:
        print_json(answer)
    else:
        _print(_read(answer))


def parse_span(text: str) -> int:
    """A span of time in seconds: `90s`, `24h`, `7d`; raises InvalidInputError."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smhdw])", text, re.ASCII)
    if found is None:
        raise InvalidInputError(f"{text[:64]!r} is not a span of time", hint="write it as 24h or 7d")
    return int(found[1]) * _UNITS[found[2]]


def _print(overview: _Overview) -> None:
    note(
        f"since {utc(overview.since_at)}: time from request to commit, and from commit until every verifier enforced it"
    )
    rows = [_row(verb) for verb in overview.verbs]
    print_list(rows, _COLUMNS, Format.TABLE)
    note(f"{overview.lingering_count} open tasks without a token for an hour; `remit task complete` ends them")
    if overview.lingering:
        print_list(overview.lingering, _LINGERING, Format.TABLE)


def _row(figures: _Verb) -> JSONObject:
    times = _shown("commit", figures.commit) | _shown("enforce", figures.enforce)
    return {"verb": figures.verb, "changes": figures.changes, **times, "with_silent": figures.silent}


def _shown(what: str, times: _Times | None) -> JSONObject:
    if times is None:
        return {}
    measured = {"p50": times.p50_ms, "p95": times.p95_ms, "max": times.max_ms}
    return {f"{what}_{name}": f"{milliseconds} ms" for name, milliseconds in measured.items()}


def _read(answer: JSONObject) -> _Overview:
    try:
        return msgspec.convert(answer, type=_Overview)
    except msgspec.ValidationError:
        raise UnavailableError(
            "the issuer answered in a form that this version does not know",
            hint="do the versions of `remit` and of the issuer agree?",
        ) from None
