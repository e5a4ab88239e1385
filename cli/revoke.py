"""`remit revoke`: take authority back for good."""

import typer

from cli.authority import Reason, Ticket, What, act
from cli.enforcement import WAIT_SECONDS, NoWait, Wait
from cli.options import Output, Yes, examples
from cli.output import Format

app = typer.Typer(add_completion=False)


@app.command(
    epilog=examples(
        'remit revoke acme/planner --reason "key leaked" --yes',
        'remit revoke - --reason "token in a log" --yes < token.txt',
    )
)
def revoke(
    *,
    what: What,
    reason: Reason,
    ticket: Ticket = None,
    yes: Yes = False,
    wait: Wait = WAIT_SECONDS,
    no_wait: NoWait = False,
    output: Output = Format.TABLE,
) -> None:
    """Revoke an account, an agent, a grant, a task or whatever a token stands for, with everything below it; final.

    Returns once every connected verifier of a registered provider refuses it: exit code 0. Exit code 3: it is revoked, but some
    have not said so; they are named, with the time by which they refuse on their own.
    """
    act("revoke", what, reason, ticket, output=output, ask=not yes, wait_seconds=None if no_wait else wait)
