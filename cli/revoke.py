"""`remit revoke`: take authority back for good."""

import typer

from cli.authority import Reason, Ticket, What, act
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
    what: What,
    reason: Reason,
    ticket: Ticket = None,
    yes: Yes = False,
    output: Output = Format.TABLE,
) -> None:
    """Revoke an account, an agent, a grant, a task or whatever a token stands for, with everything below it; final."""
    act("revoke", what, reason, ticket, output=output, ask=not yes)
