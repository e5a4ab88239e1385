"""`remit suspend`: stop authority until it is resumed."""

import typer

from cli.authority import Reason, Ticket, What, act
from cli.enforcement import WAIT_SECONDS, NoWait, Wait
from cli.options import Output, examples
from cli.output import Format

app = typer.Typer(add_completion=False)


@app.command(
    epilog=examples(
        'remit suspend acme/planner --reason "odd spending"', "remit suspend acme --reason audit --ticket INC-7"
    )
)
def suspend(
    *,
    what: What,
    reason: Reason,
    ticket: Ticket = None,
    wait: Wait = WAIT_SECONDS,
    no_wait: NoWait = False,
    output: Output = Format.TABLE,
) -> None:
    """Suspend an account, an agent, a grant or a task with everything below it, until it is resumed."""
    act("suspend", what, reason, ticket, output=output, wait_seconds=None if no_wait else wait)
