"""`remit provider`: relying parties that are known by name."""

from pathlib import Path
from typing import Annotated

import typer

from cli.credentials import require_place, write_private
from cli.issuer_client import ADMIN, connect
from cli.options import Limit, Output, examples, group
from cli.output import Format, note, print_item, print_json, print_list
from cli.problems import JSONObject
from remit.errors import InvalidInputError
from remit.ids import AccountName

app = group("Providers: relying parties that are known by name, whose verifiers a revocation waits for.")

_COLUMNS = ("name", "owner", "audiences", "state", "created_at")

Name = Annotated[str, typer.Argument(help="The provider's name.", show_default=False)]
To = Annotated[Path | None, typer.Option(help="Write the credential to this file, mode 0600, instead of showing it.")]


@app.command(
    epilog=examples(
        "remit provider add shop --audience https://api.shop.example --to shop.credential",
        "remit provider add models --audience https://api.example.com --audience https://eu.example.com --owner ops@example.com",
    )
)
def add(
    *,
    name: Name,
    audience: Annotated[
        list[str], typer.Option(help="What tokens for it name as their audience; several times for several.")
    ],
    owner: Annotated[str | None, typer.Option(help="Who answers for it.", show_default="you")] = None,
    to: To = None,
    output: Output = Format.TABLE,
) -> None:
    """Register a provider; its credential is shown once, and a revoked name is never used again."""
    require_place(to)
    with connect() as issuer:
        told = {"name": _new_name(name), "audiences": audience, "owner": owner}
        answer = issuer.post(f"{ADMIN}/providers", told)
    _hand_over(answer, to, output)


@app.command("list", epilog=examples("remit provider list"))
def list_(limit: Limit = None, output: Output = Format.TABLE) -> None:
    """List the providers."""
    with connect() as issuer:
        print_list(issuer.pages(f"{ADMIN}/providers", limit=limit), _COLUMNS, output)


@app.command(epilog=examples("remit provider show shop"))
def show(name: Name, output: Output = Format.TABLE) -> None:
    """Show one provider."""
    with connect() as issuer:
        print_item(issuer.get(f"{ADMIN}/providers/{_segment(name)}"), output)


@app.command("rotate-credential", epilog=examples("remit provider rotate-credential shop --to shop.credential"))
def rotate_credential(name: Name, to: To = None, output: Output = Format.TABLE) -> None:
    """Make a new credential, shown once; the old one ends at once, with the streams of verifiers that use it."""
    require_place(to)
    with connect() as issuer:
        answer = issuer.post(f"{ADMIN}/providers/{_segment(name)}/credential", {})
    _hand_over(answer, to, output)


def _hand_over(answer: JSONObject, to: Path | None, output: Format) -> None:
    if to is not None:
        write_private(to, f"{answer['credential']}\n".encode())
        answer = {key: value for key, value in answer.items() if key != "credential"} | {"file": str(to)}
    if output is Format.JSON:
        print_json(answer)
        return
    print_item(answer, output)
    if to is None:
        note("the credential is not shown again: its verifiers take it from REMIT_PROVIDER_CREDENTIAL")


def _new_name(name: str) -> str:
    try:
        return str(AccountName.parse(name))
    except InvalidInputError as error:
        raise InvalidInputError(f"no valid name of a provider: {name[:64]!r}", hint=error.hint) from None


def _segment(name: str) -> str:
    """The name as one segment of a URL's path."""
    try:
        return str(AccountName.parse(name))
    except InvalidInputError:
        raise InvalidInputError(
            f"{name[:64]!r} is not a provider's name", hint="`remit provider list` shows them"
        ) from None
