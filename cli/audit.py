"""`remit audit`: the record of every decision."""

import time
from typing import Annotated

import msgspec
import typer

from cli.issuer_client import ADMIN, IssuerClient, connect
from cli.names import agent_named
from cli.options import Limit, Output, examples, group
from cli.output import Format, note, print_json_line, print_list, readable
from cli.problems import JSONObject

app = group("Audit log: the record of every decision.")

_COLUMNS = ("seq", "at_ms", "kind", "outcome", "actor", "agent", "grant_id", "jti", "detail")
_PAGE = 500

Agent = Annotated[str | None, typer.Option(help="Only what concerns this agent.", show_default=False)]
Kind = Annotated[
    str | None, typer.Option(help="Only records of this kind, such as `issue` or `revoke`.", show_default=False)
]
Outcome = Annotated[str | None, typer.Option(help="Only records with this outcome.", show_default=False)]
After = Annotated[int, typer.Option(min=0, help="Begin after the record with this sequence number.")]


class _Filter(msgspec.Struct, frozen=True):
    agent: str | None
    kind: str | None
    outcome: str | None


@app.command(
    "list", epilog=examples("remit audit list --agent acme/planner", "remit audit list --outcome refused -o json")
)
def list_(
    *,
    after: After = 0,
    limit: Limit = None,
    agent: Agent = None,
    kind: Kind = None,
    outcome: Outcome = None,
    output: Output = Format.TABLE,
) -> None:
    """List audit records, oldest first."""
    wanted = _filter(agent, kind, outcome)
    records: list[JSONObject] = []
    with connect() as issuer:
        while limit is None or len(records) < limit:
            page, after = _page(issuer, after, wanted)
            records += page
            if not page:
                break
    print_list(records[:limit], _COLUMNS, output)


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
    wanted = _filter(agent, kind, outcome)
    with connect() as issuer:
        position = _newest(issuer) if after is None else after
        note(f"audit records after {position}; Ctrl-C ends")
        while True:
            page, position = _page(issuer, position, wanted)
            for record in page:
                _print_record(record, output)
            if not page:
                time.sleep(interval_seconds)


def _filter(agent: str | None, kind: str | None, outcome: str | None) -> _Filter:
    return _Filter(str(agent_named(agent)) if agent else None, kind, outcome)


def _newest(issuer: IssuerClient) -> int:
    position = 0
    while True:
        page, position = _page(issuer, position, _Filter(None, None, None))
        if not page:
            return position


def _page(issuer: IssuerClient, after: int, wanted: _Filter) -> tuple[list[JSONObject], int]:
    answer = issuer.get(
        f"{ADMIN}/audit", after=after, limit=_PAGE, agent=wanted.agent, kind=wanted.kind, outcome=wanted.outcome
    )
    records, position = answer.get("records"), answer.get("next")
    return (records if isinstance(records, list) else []), (position if isinstance(position, int) else after)


def _print_record(record: JSONObject, output: Format) -> None:
    if output is Format.JSON:
        print_json_line(record)
        return
    print("  ".join(readable(column, record.get(column)) for column in _COLUMNS), flush=True)
