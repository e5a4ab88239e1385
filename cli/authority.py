"""What `revoke`, `suspend` and `resume` have in common: resolve what the operator has in hand, say it, ask, act, and see it take effect."""

import sys
from typing import Annotated

import msgspec
import typer

from cli.enforcement import WAIT_SECONDS, Enforcement, concerns_verifiers, described, others, wait_for
from cli.errors import report
from cli.exit_codes import ExitCode
from cli.issuer_client import ADMIN, IssuerClient, connect
from cli.options import confirm
from cli.output import Format, note, print_json, printable, readable
from cli.problems import JSONObject
from remit.errors import InvalidInputError, RemitError

What = Annotated[
    str,
    typer.Argument(
        help="An account, an agent, a SPIFFE ID, a DID, a token, a jti, a grant, a task, or one of those that need a prefix:"
        " `sidecar:`, `provider:`, `operator:`, `key:`, `person:`. `-` reads it from stdin,"
        " which is the way for a token: arguments are visible to every user of the machine.",
        show_default=False,
    ),
]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit log.", show_default=False)]
Ticket = Annotated[str | None, typer.Option(help="The incident that this belongs to.", show_default=False)]

_PAST = {
    "revoke": "revoked",
    "suspend": "suspended",
    "resume": "resumed",
    "complete": "completed",
    "evict": "evicted",
    "ban": "banned",
}


def act(
    verb: str,
    what: str,
    reason: str,
    ticket: str | None,
    *,
    output: Format,
    ask: bool = False,
    wait_seconds: float | None = WAIT_SECONDS,
) -> None:
    """Carry out one verb on what the operator named, and say what it came to.

    Args:
        verb: `revoke`, `suspend` or `resume`.
        what: what was named.
        reason: why.
        ticket: the incident that it belongs to.
        output: how the answer is to look.
        ask: ask on the terminal before it is done.
        wait_seconds: how long to wait until every connected verifier enforces it; None: not at all.

    Raises:
        typer.Exit: it was done, but not every connected verifier has said that it enforces it (exit code 3).
    """
    require_reason(reason)
    named = read_what(what)
    with connect() as issuer:
        resolved = _resolve(issuer, named)
        note(f"{verb}: {resolved.get('description', '?')}")
        if ask:
            confirm(f"{verb} this for good?")
        answer = issuer.post(f"{ADMIN}/{verb}", {"what": named, "reason": reason, "ticket": ticket})
        tell(verb, answer, issuer, output, wait_seconds)


def tell(verb: str, answer: JSONObject, issuer: IssuerClient, output: Format, wait_seconds: float | None) -> None:
    """Print what a change came to, and how far it is enforced once it is, or the wait is over.

    Raises:
        typer.Exit: not every connected verifier has said that it enforces it (exit code 3).
    """
    if output is Format.TABLE:
        print(_outcome(verb, answer), flush=True)
    concerns = concerns_verifiers(answer)
    waits = concerns and wait_seconds is not None
    found = _awaited(issuer, answer, wait_seconds or 0) if waits else None
    if output is Format.JSON:
        seen = {"enforced": None, "silent": None} if found is None else msgspec.to_builtins(found)
        print_json(answer | seen)
    elif concerns:
        print(others(verb, answer) if found is None else described(verb, found, answer))
    if waits and (found is None or found.silent):
        raise typer.Exit(ExitCode.SILENT)


def require_reason(reason: str) -> None:
    """Refuse a reason that says nothing."""
    if not reason.strip():
        raise InvalidInputError("--reason is empty", hint="say why: the audit log keeps it")


def read_what(what: str) -> str:
    """What was named on the command line, or on stdin for `-`."""
    named = sys.stdin.readline().strip() if what == "-" else what.strip()
    if not named:
        raise InvalidInputError("nothing was named", hint="give an account, an agent, a token, a jti or a task")
    return named


def _awaited(issuer: IssuerClient, answer: JSONObject, seconds: float) -> Enforcement | None:
    """How far the change is enforced; None when the issuer, which has committed it, does not say."""
    try:
        return wait_for(issuer, int(str(answer.get("seq"))), seconds)
    except RemitError as error:
        report(f"it is committed, but how far it is enforced is not known: {error.detail}", error.hint)
        return None


def _resolve(issuer: IssuerClient, named: str) -> JSONObject:
    return issuer.post(f"{ADMIN}/resolve", {"what": named})


def _outcome(verb: str, answer: JSONObject) -> str:
    resolved, changed = answer.get("resolved"), answer.get("changed")
    what = f"{resolved.get('kind')} {resolved.get('id')}" if isinstance(resolved, dict) else "it"
    grants = changed.get("grants") if isinstance(changed, dict) else None
    how_many = "1 grant" if grants == 1 else f"{grants} grants"
    when = readable("committed_at_ms", answer.get("committed_at_ms"))
    has_grants = not (isinstance(resolved, dict) and resolved.get("kind") == "key")
    changes = f"{how_many} changed, " if has_grants else ""
    return printable(f"{_PAST[verb]} {what} at {when} ({changes}sequence {answer.get('seq')})")
