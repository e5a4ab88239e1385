"""What `revoke`, `suspend` and `resume` have in common: resolve what the operator has in hand, say it, ask, act."""

import sys
from typing import Annotated

import typer

from cli.issuer_client import ADMIN, IssuerClient, connect
from cli.options import confirm
from cli.output import Format, note, print_json, printable, readable
from cli.problems import JSONObject
from remit.errors import InvalidInputError

What = Annotated[
    str,
    typer.Argument(
        help="An account, an agent, a SPIFFE ID, a DID, a token, a jti, a grant or a task; `-` reads it from stdin,"
        " which is the way for a token: arguments are visible to every user of the machine.",
        show_default=False,
    ),
]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit log.", show_default=False)]
Ticket = Annotated[str | None, typer.Option(help="The incident that this belongs to.", show_default=False)]

_PAST = {"revoke": "revoked", "suspend": "suspended", "resume": "resumed"}


def act(verb: str, what: str, reason: str, ticket: str | None, *, output: Format, ask: bool = False) -> None:
    """Carry out one verb on what the operator named, and say what it came to."""
    if not reason.strip():
        raise InvalidInputError("--reason is empty", hint="say why: the audit log keeps it")
    named = read_what(what)
    with connect() as issuer:
        resolved = _resolve(issuer, named)
        note(f"{verb}: {resolved.get('description', '?')}")
        if ask:
            confirm(f"{verb} this for good?")
        answer = issuer.post(f"{ADMIN}/{verb}", {"what": named, "reason": reason, "ticket": ticket})
    if output is Format.JSON:
        print_json(answer)
    else:
        print(_outcome(verb, answer))


def read_what(what: str) -> str:
    """What was named on the command line, or on stdin for `-`."""
    named = sys.stdin.readline().strip() if what == "-" else what.strip()
    if not named:
        raise InvalidInputError("nothing was named", hint="give an account, an agent, a token, a jti or a task")
    return named


def _resolve(issuer: IssuerClient, named: str) -> JSONObject:
    return issuer.post(f"{ADMIN}/resolve", {"what": named})


def _outcome(verb: str, answer: JSONObject) -> str:
    resolved, changed = answer.get("resolved"), answer.get("changed")
    what = f"{resolved.get('kind')} {resolved.get('id')}" if isinstance(resolved, dict) else "it"
    grants = changed.get("grants") if isinstance(changed, dict) else None
    how_many = "1 grant" if grants == 1 else f"{grants} grants"
    when = readable("committed_at_ms", answer.get("committed_at_ms"))
    return printable(f"{_PAST[verb]} {what} at {when} ({how_many} changed, sequence {answer.get('seq')})")
