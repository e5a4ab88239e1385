"""`remit suspend`: stop authority until it is resumed."""

import typer

from cli.authority import Reason, Ticket, What, act
from cli.options import Output, examples
from cli.output import Format

app = typer.Typer(add_completion=False)


@app.command(
    epilog=examples(
        'remit suspend acme/planner --reason "odd spending"', "remit suspend acme --reason audit --ticket INC-7"
    )
)
def suspend(
    what: What,
    reason: Reason,
    ticket: Ticket = None,
    output: Output = Format.TABLE,
) -> None:
    """Suspend an account, an agent, a grant or a task with everything below it, until it is resumed."""
    act("suspend", what, reason, ticket, output=output)
