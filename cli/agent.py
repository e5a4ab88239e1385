"""`remit agent`: the AI agents that have an identity."""

from typing import Annotated

import typer

from cli import agent_key
from cli.issuer_client import ADMIN, connect
from cli.names import agent_named
from cli.options import Limit, Output, examples, group
from cli.output import Format, print_item, print_list
from remit.ids import AgentName

app = group("Agents: the AI agents that have an identity.")
app.add_typer(agent_key.app, name="key")

_COLUMNS = ("agent", "owner", "description", "state", "created_at")

OfAccount = Annotated[str | None, typer.Option(help="Only the agents of this account.", show_default=False)]


@app.command(epilog=examples("remit agent create acme/planner", "remit agent create acme/planner/sub/search"))
def create(
    agent: Annotated[str, typer.Argument(help="Its name: account/agent.", show_default=False)],
    owner: Annotated[str | None, typer.Option(help="Who answers for it.", show_default="the account's")] = None,
    description: Annotated[str | None, typer.Option(help="What it does.", show_default=False)] = None,
    output: Output = Format.TABLE,
) -> None:
    """Create an agent; a name that was revoked can never be used again."""
    body = {"agent": str(AgentName.parse(agent)), "owner": owner, "description": description}
    with connect() as issuer:
        print_item(issuer.post(f"{ADMIN}/agents", body), output)


@app.command("list", epilog=examples("remit agent list --account acme"))
def list_(account: OfAccount = None, limit: Limit = None, output: Output = Format.TABLE) -> None:
    """List the agents."""
    with connect() as issuer:
        print_list(issuer.pages(f"{ADMIN}/agents", limit=limit, account=account), _COLUMNS, output)


@app.command(
    epilog=examples("remit agent show acme/planner", "remit agent show did:web:localhost:account:acme:agent:planner")
)
def show(
    agent: Annotated[str, typer.Argument(help="Its name, SPIFFE ID or DID.", show_default=False)],
    output: Output = Format.TABLE,
) -> None:
    """Show one agent."""
    path = f"{ADMIN}/agents/{agent_named(agent)}"
    with connect() as issuer:
        print_item(issuer.get(path), output)
