"""`remit init`: make a data folder for an issuer."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import examples
from cli.programs import become
from remit.ids import TrustDomain

app = typer.Typer(add_completion=False)


@app.command(
    epilog=examples(
        "remit init /var/lib/remit --trust-domain example.org --public-url https://issuer.example.org",
        "remit init ./data --trust-domain example.org",
    )
)
def init(
    folder: Annotated[Path, typer.Argument(help="The folder to make.", show_default=False)],
    trust_domain: Annotated[
        str, typer.Option(help="The SPIFFE trust domain, such as example.org.", show_default=False)
    ],
    public_url: Annotated[
        str | None, typer.Option(help="The URL that others know the issuer by.", show_default="http://localhost:PORT")
    ] = None,
    listen: Annotated[str | None, typer.Option(help="Address and port.", show_default="127.0.0.1:8750")] = None,
) -> None:
    """Make a data folder: configuration, keys, database, and the first operator's credential."""
    arguments = ["init", str(folder), "--trust-domain", str(TrustDomain.parse(trust_domain))]
    if public_url is not None:
        arguments += ["--public-url", public_url]
    if listen is not None:
        arguments += ["--listen", listen]
    become("issuer", arguments)
