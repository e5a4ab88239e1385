"""`remit audit`: the record of every decision."""

import time
from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import msgspec
import typer

from cli.issuer_client import ADMIN, IssuerClient, connect
from cli.names import agent_named
from cli.options import Limit, Output, examples, group
from cli.output import Format, note, print_json_line, print_list, readable
from cli.problems import JSONObject
from remit.errors import UnavailableError

app = group("Audit log: the record of every decision.")

_COLUMNS = ("seq", "at_ms", "kind", "outcome", "actor", "agent", "grant_id", "jti", "about")
_ABOUT = (
    "verb",
    "what",
    "audience",
    "task",
    "reason",
    "ticket",
    "enforced",
    "enforced_ms",
    "silent_verifiers",
    "route",
    "code",
    "why",
)
_PAGE = 500

Agent = Annotated[str | None, typer.Option(help="Only what concerns this agent.", show_default=False)]
Kind = Annotated[
    str | None, typer.Option(help="Only records of this kind, such as `issuance` or `revoke`.", show_default=False)
]
Outcome = Annotated[str | None, typer.Option(help="Only records with this outcome.", show_default=False)]
After = Annotated[int, typer.Option(min=0, help="Begin after the record with this sequence number.")]


Newest = Annotated[int | None, typer.Option(min=1, max=1000, help="Only so many of the newest.", show_default=False)]

Query = dict[str, str | int | None]


class _Page(msgspec.Struct, frozen=True):
    records: list[JSONObject]
    next: int


@app.command(
    "list",
    epilog=examples(
        "remit audit list --agent acme/planner",
        "remit audit list --outcome refused -o json",
        "remit audit list --newest 20",
    ),
)
def list_(
    *,
    after: After = 0,
    limit: Limit = None,
    newest: Newest = None,
    agent: Agent = None,
    kind: Kind = None,
    outcome: Outcome = None,
    output: Output = Format.TABLE,
) -> None:
    """List audit records, oldest first."""
    wanted = _wanted(agent, kind, outcome)
    with connect() as issuer:
        if newest is not None:
            records, _ = _page(issuer, wanted | {"newest": "true", "limit": newest})
        else:
            records = list(islice(_follow(issuer, after, wanted), limit))
    print_list(records if output is Format.JSON else map(_brief, records), _COLUMNS, output)


@app.command(epilog=examples("remit audit tail", "remit audit tail --outcome refused -o json"))
def tail(
    *,
    after: Annotated[
        int | None, typer.Option(min=0, help="Begin after this record.", show_default="the newest")
    ] = None,
    interval_seconds: Annotated[float, typer.Option(min=0.1, help="How often to look.")] = 1.0,
    agent: Agent = None,
    kind: Kind = None,
    outcome: Outcome = None,
    output: Output = Format.TABLE,
) -> None:
    """Show audit records as they are written, until Ctrl-C; as JSON: one object a line."""
    wanted = _wanted(agent, kind, outcome)
    with connect() as issuer:
        if after is None:
            _, after = _page(issuer, {"newest": "true", "limit": 1})
        note(f"audit records after {after}; Ctrl-C ends")
        while True:
            for record in _follow(issuer, after, wanted):
                _print_record(record, output)
                after = max(after, _number(record))
            time.sleep(interval_seconds)


def _wanted(agent: str | None, kind: str | None, outcome: str | None) -> Query:
    return {"agent": str(agent_named(agent)) if agent else None, "kind": kind, "outcome": outcome}


def _follow(issuer: IssuerClient, after: int, wanted: Query) -> Iterator[JSONObject]:
    """Every record after `after` that there is by now."""
    while True:
        page, after = _page(issuer, wanted | {"after": after, "limit": _PAGE})
        if not page:
            return
        yield from page


def _page(issuer: IssuerClient, query: Query) -> tuple[list[JSONObject], int]:
    answer = issuer.get(f"{ADMIN}/audit", **query)
    try:
        page = msgspec.convert(answer, type=_Page)
    except msgspec.ValidationError:
        raise UnavailableError(
            "the issuer answered audit records in a form that this version does not know",
            hint="do the versions of `remit` and of the issuer agree?",
        ) from None
    return page.records, page.next


def _number(record: JSONObject) -> int:
    number = record.get("seq")
    return number if isinstance(number, int) else 0


def _print_record(record: JSONObject, output: Format) -> None:
    if output is Format.JSON:
        print_json_line(record)
        return
    shown = _brief(record)
    print("  ".join(readable(column, shown.get(column)) for column in _COLUMNS), flush=True)


def _brief(record: JSONObject) -> JSONObject:
    """The record with `about`, the few things of its detail that tell people most; `-o json` has all of it."""
    detail = record.get("detail")
    known = detail if isinstance(detail, dict) else {}
    about = [f"{name}: {readable(name, known[name])}" for name in _ABOUT if known.get(name) not in (None, [])]
    return {**record, "about": "; ".join(about)}
