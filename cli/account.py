"""`remit account`: who owns agents and pays for them."""

from typing import Annotated

import typer

from cli import account_key
from cli.issuer_client import ADMIN, connect
from cli.options import Limit, Output, examples, group
from cli.output import Format, print_item, print_list
from remit.ids import AccountName

app = group("Accounts: who owns agents and pays for them.")
app.add_typer(account_key.app, name="key")

_COLUMNS = ("name", "owner", "contact", "state", "created_at")

Name = Annotated[str, typer.Argument(help="The account's name, such as `acme`.", show_default=False)]


@app.command(epilog=examples("remit account create acme --owner ops@acme.example"))
def create(
    name: Name,
    owner: Annotated[str, typer.Option(help="The person or team that answers for it.", show_default=False)],
    contact: Annotated[str | None, typer.Option(help="How to reach them in a bad hour.", show_default=False)] = None,
    output: Output = Format.TABLE,
) -> None:
    """Create an account."""
    body = {"name": str(AccountName.parse(name)), "owner": owner, "contact": contact}
    with connect() as issuer:
        print_item(issuer.post(f"{ADMIN}/accounts", body), output)


@app.command("list", epilog=examples("remit account list", "remit account list -o json"))
def list_(limit: Limit = None, output: Output = Format.TABLE) -> None:
    """List the accounts."""
    with connect() as issuer:
        print_list(issuer.pages(f"{ADMIN}/accounts", limit=limit), _COLUMNS, output)


@app.command(epilog=examples("remit account show acme"))
def show(name: Name, output: Output = Format.TABLE) -> None:
    """Show one account."""
    path = f"{ADMIN}/accounts/{AccountName.parse(name)}"
    with connect() as issuer:
        print_item(issuer.get(path), output)
