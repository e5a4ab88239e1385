"""`remit did`: the DID documents of agents and accounts."""

from typing import Annotated

import typer

from cli.credentials import configured_issuer
from cli.issuer_client import IssuerClient
from cli.names import subject_named
from cli.options import Output, examples, group
from cli.output import Format, print_item
from remit.errors import ConfigurationError
from remit.ids import DID, AgentName

app = group("DID documents of agents and accounts.")


@app.callback()
def _group() -> None:
    """Keep `show` a verb of its own although it is the only one."""


@app.command(
    epilog=examples(
        "remit did show acme/planner",
        "remit did show acme",
        "remit did show did:web:issuer.example.org:account:acme:agent:planner",
    )
)
def show(
    subject: Annotated[str, typer.Argument(help="An agent or an account: name, SPIFFE ID or DID.", show_default=False)],
    issuer: Annotated[
        str | None, typer.Option(help="The issuer's URL.", show_default="REMIT_ISSUER, or the DID's host")
    ] = None,
    output: Output = Format.JSON,
) -> None:
    """Show the DID document of an agent or an account."""
    named = subject_named(subject)
    path = f"/account/{named.account}/agent/{named.path}" if isinstance(named, AgentName) else f"/account/{named}"
    with IssuerClient(issuer or _issuer_of(subject)) as client:
        print_item(client.get(f"{path}/did.json"), output)


def _issuer_of(subject: str) -> str:
    if subject.startswith("did:"):
        return DID.parse(subject).document_url().partition("/account/")[0]
    configured = configured_issuer()
    if configured is None:
        raise ConfigurationError("which issuer?", hint="pass --issuer URL, or set REMIT_ISSUER")
    return configured
