"""`remit grant`: an agent's authority for one task, or its standing authority, with its spend scope."""

from pathlib import Path
from typing import Annotated

import typer

from cli.issuer_client import ADMIN, connect
from cli.names import agent_named
from cli.options import Limit, Output, examples, group, path_segment
from cli.output import Format, print_item, print_list
from cli.spend_scope import Actions, Limits, Locations, Models, Tools, build_scope, read_scope
from remit.errors import InvalidInputError

app = group("Grants: an agent's authority for one task, or its standing authority, with its spend scope.")

_COLUMNS = ("id", "agent", "task", "funding", "state", "effective", "expires_at", "scope")

Task = Annotated[str | None, typer.Option(help="The task it is for.", show_default="standing authority")]
ScopeFile = Annotated[
    Path | None, typer.Option(help="A file with the agent_spend object, instead of the options.", show_default=False)
]


@app.command(
    epilog=examples(
        'remit grant create acme/planner --limit "20 USD daily" --location https://api.example.com/v1/',
        "remit grant create acme/planner --task task-81 --scope scope.json --expires-in-seconds 3600",
    )
)
def create(
    agent: Annotated[str, typer.Argument(help="The agent's name, SPIFFE ID or DID.", show_default=False)],
    *,
    task: Task = None,
    scope: ScopeFile = None,
    limit: Limits = None,
    location: Locations = None,
    action: Actions = None,
    model: Models = None,
    tool: Tools = None,
    owner: Annotated[str | None, typer.Option(help="Who answers for it.", show_default="the agent's")] = None,
    expires_in_seconds: Annotated[int | None, typer.Option(min=1, help="Its lifetime.", show_default="none")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Create a grant; without any restriction it allows everything that the agent may do."""
    if scope is not None and any((limit, location, action, model, tool)):
        raise InvalidInputError("--scope already says it all", hint="leave out --limit, --location and the like")
    given = read_scope(scope) if scope else build_scope(limit, location, action, model, tool)
    body = {"agent": str(agent_named(agent)), "task": task, "scope": given, "owner": owner}
    with connect() as issuer:
        answer = issuer.post(f"{ADMIN}/grants", body | {"expires_in_seconds": expires_in_seconds})
    print_item(answer, output)


@app.command("list", epilog=examples("remit grant list --agent acme/planner", "remit grant list --task task-81"))
def list_(
    agent: Annotated[str | None, typer.Option(help="Only the grants of this agent.", show_default=False)] = None,
    task: Annotated[str | None, typer.Option(help="Only the grants for this task.", show_default=False)] = None,
    limit: Limit = None,
    output: Output = Format.TABLE,
) -> None:
    """List the grants."""
    of_agent = str(agent_named(agent)) if agent else None
    with connect() as issuer:
        print_list(issuer.pages(f"{ADMIN}/grants", limit=limit, agent=of_agent, task=task), _COLUMNS, output)


@app.command(epilog=examples("remit grant show 0193a5c0"))
def show(
    grant: Annotated[str, typer.Argument(help="The grant's id.", show_default=False)], output: Output = Format.TABLE
) -> None:
    """Show one grant."""
    path = f"{ADMIN}/grants/{path_segment(grant)}"
    with connect() as issuer:
        print_item(issuer.get(path), output)
