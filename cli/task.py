"""`remit task`: what agents are doing, as far as authority was granted for it, and its end."""

from typing import Annotated

import typer

from cli.authority import Ticket, tell
from cli.enforcement import WAIT_SECONDS, NoWait, Wait
from cli.issuer_client import ADMIN, connect
from cli.names import agent_named
from cli.options import Limit, Output, examples, group
from cli.output import Format, print_list

app = group("Tasks: what grants were opened for, and the end of them.")

_COLUMNS = ("task", "agent", "owner", "state", "opened_at", "last_token_ends_at", "expires_at", "grant")

Task = Annotated[str, typer.Argument(help="The task's name.", show_default=False)]
Agent = Annotated[str | None, typer.Option(help="Only this agent's.", show_default="every agent's")]
For = Annotated[
    int | None, typer.Option("--for", min=0, help="With --lingering: unused for so many seconds.", show_default="3600")
]


@app.command(
    epilog=examples(
        "remit task complete task-81",
        'remit task complete task-81 --agent acme/planner --reason "done by hand"',
    )
)
def complete(
    *,
    task: Task,
    agent: Agent = None,
    reason: Annotated[str | None, typer.Option(help="How you know; kept in the audit log.", show_default=False)] = None,
    ticket: Ticket = None,
    wait: Wait = WAIT_SECONDS,
    no_wait: NoWait = False,
    output: Output = Format.TABLE,
) -> None:
    """Say that a task is done: what was granted for it, and below that, is revoked for good. Exit codes as of `remit revoke`."""
    given = {"agent": str(agent_named(agent)) if agent else None, "reason": reason, "ticket": ticket}
    body = {"task": task} | {name: value for name, value in given.items() if value is not None}
    with connect() as issuer:
        tell("complete", issuer.post(f"{ADMIN}/tasks/complete", body), issuer, output, None if no_wait else wait)


@app.command("list", epilog=examples("remit task list", "remit task list --lingering --for 7200"))
def list_(
    agent: Agent = None,
    lingering: Annotated[
        bool, typer.Option("--lingering", help="Only those that nobody has held a token for, for a while.")
    ] = False,
    unused_for: For = None,
    limit: Limit = None,
    output: Output = Format.TABLE,
) -> None:
    """List the open tasks, those that end first first: who answers for each, and when its last token ends or ended."""
    of_agent = str(agent_named(agent)) if agent else None
    filters = {"agent": of_agent, "lingering": "true" if lingering else None, "for_seconds": unused_for}
    with connect() as issuer:
        print_list(issuer.pages(f"{ADMIN}/tasks", limit=limit, **filters), _COLUMNS, output)
