"""`remit agent key`: the keys of agents, which tokens are bound to."""

from typing import Annotated

import typer

from cli.issuer_client import ADMIN, connect
from cli.names import agent_named
from cli.options import Limit, Output, Yes, confirm, examples, group, path_segment
from cli.output import Format, print_item, print_list

app = group("Keys of agents, which tokens of bound entries are bound to.")

_COLUMNS = ("jkt", "subject", "held_by", "sidecar", "state", "created_at", "retired_at")


@app.command("list", epilog=examples("remit agent key list acme/planner", "remit agent key list"))
def list_(
    agent: Annotated[
        str | None, typer.Argument(help="Its name, SPIFFE ID or DID; every agent's by default.", show_default=False)
    ] = None,
    limit: Limit = None,
    output: Output = Format.TABLE,
) -> None:
    """List every key that agents had: active (new tokens are bound to it), retired (another took its place), revoked."""
    of_agent = str(agent_named(agent)) if agent else None
    with connect() as issuer:
        print_list(issuer.pages(f"{ADMIN}/agent-keys", limit=limit, agent=of_agent), _COLUMNS, output)


@app.command(
    epilog=examples('remit agent key revoke kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k --reason "found in a backup"')
)
def revoke(
    jkt: Annotated[str, typer.Argument(help="The key's thumbprint; the list shows it.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why, for the audit log.", show_default=False)],
    yes: Yes = False,
    output: Output = Format.TABLE,
) -> None:
    """Revoke a key for good, and every token that its agent has now; the agent goes on with another key and new tokens."""
    path = f"{ADMIN}/agent-keys/{path_segment(jkt)}/revoke"
    with connect() as issuer:
        if not yes:
            confirm(f"revoke key {jkt} and the tokens of its agent?")
        print_item(issuer.post(path, {"reason": reason}), output)
