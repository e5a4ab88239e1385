"""`remit entry`: registration entries, which selectors make a workload which agent."""

from typing import Annotated

import typer

from cli.issuer_client import ADMIN, connect
from cli.names import agent_named
from cli.options import Limit, Output, Yes, confirm, examples, group, path_segment
from cli.output import Format, note, print_item, print_list
from remit.ids import SidecarName

app = group("Registration entries: which selectors make a workload which agent.")

_COLUMNS = ("id", "agent", "sidecar", "selectors", "ttl_seconds", "bound", "state", "created_at")

Selectors = Annotated[
    list[str],
    typer.Option(
        "--selector",
        "-s",
        help="A fact that must hold, such as `unix:uid:1000`; all given ones must hold.",
        show_default=False,
    ),
]
ParentSidecar = Annotated[
    str | None,
    typer.Option(
        help="The sidecar that attests the workload; without it the workload itself calls the issuer.",
        show_default=False,
    ),
]
EntryID = Annotated[str, typer.Argument(help="The entry's id.", show_default=False)]


@app.command(
    epilog=examples(
        "remit entry create acme/planner --sidecar edge-1 -s unix:uid:1000 -s launch:script:/srv/planner/agent.py",
        "remit entry create acme/ci -s oidc:github:repository:acme/app",
        "remit entry create acme/payer --sidecar edge-1 -s unix:uid:1001 --bound",
    )
)
def create(  # noqa: PLR0917 - typer passes each by its name
    agent: Annotated[str, typer.Argument(help="The agent that the workload becomes.", show_default=False)],
    selector: Selectors,
    sidecar: ParentSidecar = None,
    ttl_seconds: Annotated[
        int | None, typer.Option(min=1, help="Lifetime of its tokens.", show_default="the issuer's")
    ] = None,
    bound: Annotated[
        bool, typer.Option("--bound", help="Bind its tokens to the agent's key: a stolen one is of no use.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Create a registration entry."""
    parent = str(SidecarName.parse(sidecar)) if sidecar is not None else None
    body = {
        "agent": str(agent_named(agent)),
        "selectors": selector,
        "sidecar": parent,
        "ttl_seconds": ttl_seconds,
        "bound": bound,
    }
    with connect() as issuer:
        print_item(issuer.post(f"{ADMIN}/entries", body), output)


@app.command("list", epilog=examples("remit entry list --agent acme/planner", "remit entry list --sidecar edge-1"))
def list_(
    agent: Annotated[str | None, typer.Option(help="Only the entries of this agent.", show_default=False)] = None,
    sidecar: Annotated[
        str | None, typer.Option(help="Only the entries below this sidecar.", show_default=False)
    ] = None,
    limit: Limit = None,
    output: Output = Format.TABLE,
) -> None:
    """List the registration entries."""
    of_agent = str(agent_named(agent)) if agent else None
    with connect() as issuer:
        print_list(issuer.pages(f"{ADMIN}/entries", limit=limit, agent=of_agent, sidecar=sidecar), _COLUMNS, output)


@app.command(epilog=examples("remit entry show 0193a5c0"))
def show(entry: EntryID, output: Output = Format.TABLE) -> None:
    """Show one registration entry."""
    path = f"{ADMIN}/entries/{path_segment(entry)}"
    with connect() as issuer:
        print_item(issuer.get(path), output)


@app.command(epilog=examples("remit entry delete 0193a5c0 --yes"))
def delete(entry: EntryID, yes: Yes = False) -> None:
    """Delete a registration entry: no new credential is issued by it; to take issued ones back, revoke the agent."""
    path = f"{ADMIN}/entries/{path_segment(entry)}"
    with connect() as issuer:
        if not yes:
            confirm(f"delete registration entry {entry}?")
        issuer.delete(path)
    note(f"deleted registration entry {entry}")
