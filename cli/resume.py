"""`remit resume`: give suspended authority back."""

import typer

from cli.authority import Reason, Ticket, What, act
from cli.enforcement import WAIT_SECONDS, NoWait, Wait
from cli.options import Output, examples
from cli.output import Format

app = typer.Typer(add_completion=False)


@app.command(epilog=examples('remit resume acme/planner --reason "spending explained"'))
def resume(
    *,
    what: What,
    reason: Reason,
    ticket: Ticket = None,
    wait: Wait = WAIT_SECONDS,
    no_wait: NoWait = False,
    output: Output = Format.TABLE,
) -> None:
    """Resume what was suspended; what is suspended or revoked for another reason stays so."""
    act("resume", what, reason, ticket, output=output, wait_seconds=None if no_wait else wait)
