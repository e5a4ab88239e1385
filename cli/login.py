"""`remit login`: keep an operator credential on this machine."""

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.credentials import Credentials, credentials_path, save
from cli.issuer_client import ADMIN, IssuerClient
from cli.options import examples
from cli.output import note, readable
from remit.errors import InvalidInputError

app = typer.Typer(add_completion=False)

Issuer = Annotated[str, typer.Option(help="The issuer's URL.", envvar="REMIT_ISSUER", show_default=False)]
TokenFile = Annotated[
    Path | None,
    typer.Option(help="Read the token from this file, `-` being stdin.", show_default="asked for on the terminal"),
]


@app.command(
    epilog=examples(
        "remit login --issuer https://issuer.example.org",
        "remit login --issuer https://issuer.example.org --token-file - < token.txt",
    )
)
def login(issuer: Issuer, token_file: TokenFile = None) -> None:
    """Check an operator token with the issuer and keep it, readable by you alone."""
    token = _read_token(token_file)
    with IssuerClient(issuer, token) as client:
        me = client.get(f"{ADMIN}/whoami")
        path = credentials_path()
        save(Credentials(issuer=client.url, token=token), path)
    note(
        f"logged in as {readable('operator', me.get('operator'))} ({readable('role', me.get('role'))}), kept in {path}"
    )


def _read_token(file: Path | None) -> str:
    if file is None and not sys.stdin.isatty():
        raise InvalidInputError(
            "there is no terminal to ask for the token on", hint="pass --token-file FILE, or - for stdin"
        )
    if file is None:
        token = getpass.getpass("operator token: ")
    else:
        token = sys.stdin.readline() if str(file) == "-" else file.read_text("utf-8")
    if not token.strip().isascii() or len(token.split()) != 1:
        raise InvalidInputError("that is not an operator token", hint="it is one word that begins with remit_op_")
    return token.strip()
