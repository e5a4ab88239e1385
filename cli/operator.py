"""`remit operator`: people and programs that may administer the issuer."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.credentials import Credentials, save
from cli.issuer_client import ADMIN, connect
from cli.options import Limit, Output, examples, group
from cli.output import Format, note, print_item, print_json, print_list
from remit.ids import AccountName

app = group("Operators: people and programs that may administer the issuer.")

_COLUMNS = ("name", "role", "account", "state", "created_at")


class Role(StrEnum):
    """What an operator may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


To = Annotated[
    Path | None,
    typer.Option(help="Write a credential file for them, mode 0600, instead of showing the token.", show_default=False),
]


@app.command(
    epilog=examples(
        "remit operator create alice --role admin --to alice.json",
        "remit operator create acme-oncall --role operator --account acme",
    )
)
def create(
    name: Annotated[str, typer.Argument(help="Their name, as the audit log will show it.", show_default=False)],
    role: Annotated[
        Role, typer.Option(help="viewer reads; operator registers and revokes; admin does all.")
    ] = Role.VIEWER,
    account: Annotated[str | None, typer.Option(help="Limit them to this account.", show_default=False)] = None,
    to: To = None,
    output: Output = Format.TABLE,
) -> None:
    """Create an operator; the credential is shown once."""
    limited_to = str(AccountName.parse(account)) if account is not None else None
    with connect() as issuer:
        answer = issuer.post(f"{ADMIN}/operators", {"name": name, "role": role.value, "account": limited_to})
        if to is not None:
            save(Credentials(issuer=issuer.url, token=str(answer["token"])), to)
            answer = {key: value for key, value in answer.items() if key != "token"} | {"file": str(to)}
    if output is Format.JSON:
        print_json(answer)
        return
    print_item(answer, output)
    if to is None:
        note("the token is not shown again: they keep it with `remit login --issuer URL`")


@app.command("list", epilog=examples("remit operator list"))
def list_(limit: Limit = None, output: Output = Format.TABLE) -> None:
    """List the operators."""
    with connect() as issuer:
        print_list(issuer.pages(f"{ADMIN}/operators", limit=limit), _COLUMNS, output)
