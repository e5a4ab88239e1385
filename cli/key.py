"""`remit key`: the issuer's signing keys."""

from enum import StrEnum
from typing import Annotated

import typer

from cli.authority import Reason, Ticket, act
from cli.enforcement import WAIT_SECONDS, NoWait, Wait
from cli.issuer_client import ADMIN, connect
from cli.options import Output, Yes, examples, group
from cli.output import Format, print_json, print_list

app = group("Signing keys of the issuer.")

_COLUMNS = ("kid", "purpose", "alg", "state", "created_at", "activates_at", "retires_at")


class Purpose(StrEnum):
    """What a key signs."""

    TOKEN = "token"  # noqa: S105 - a purpose, not a password
    STATUS = "status"


@app.command("list", epilog=examples("remit key list"))
def list_(output: Output = Format.TABLE) -> None:
    """List the signing keys: prepared, active (it signs), retiring (published, signs no more), retired."""
    with connect() as issuer:
        print_list(issuer.pages(f"{ADMIN}/keys"), _COLUMNS, output)


@app.command(epilog=examples("remit key rotate", "remit key rotate --purpose status"))
def rotate(
    purpose: Annotated[Purpose, typer.Option(help="Which key: the one of tokens, or of status lists.")] = Purpose.TOKEN,
    output: Output = Format.TABLE,
) -> None:
    """Prepare a new signing key: announced now, signing once every verifier can know it; the old one retires after that."""
    with connect() as issuer:
        answer = issuer.post(f"{ADMIN}/keys/rotate", {"purpose": purpose.value})
    if output is Format.JSON:
        print_json(answer)
    else:
        print_list([key for key in answer.values() if isinstance(key, dict)], _COLUMNS, output)


@app.command(epilog=examples('remit key revoke kid --reason "the machine was broken into" --yes'))
def revoke(
    *,
    kid: Annotated[str, typer.Argument(help="The key, by its kid.", show_default=False)],
    reason: Reason,
    ticket: Ticket = None,
    yes: Yes = False,
    wait: Wait = WAIT_SECONDS,
    no_wait: NoWait = False,
    output: Output = Format.TABLE,
) -> None:
    """Stop trusting a signing key, at once and for good: its successor signs, and every token that it signed is refused.

    Exit codes as of `remit revoke`.
    """
    act("revoke", f"key:{kid}", reason, ticket, output=output, ask=not yes, wait_seconds=None if no_wait else wait)
