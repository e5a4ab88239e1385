"""`remit whoami`: which operator this is."""

import typer

from cli.issuer_client import ADMIN, connect
from cli.options import Output, examples
from cli.output import Format, print_item

app = typer.Typer(add_completion=False)


@app.command(epilog=examples("remit whoami", "remit whoami -o json"))
def whoami(output: Output = Format.TABLE) -> None:
    """Show the operator, its role, and the issuer that it is known to."""
    with connect() as issuer:
        print_item(issuer.get(f"{ADMIN}/whoami"), output)
