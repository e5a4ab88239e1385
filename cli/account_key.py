"""`remit account key`: the keys of an account, whose private halves stay where they are."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cli.credentials import refuse_if_exposed
from cli.issuer_client import ADMIN, IssuerClient, connect
from cli.options import Output, examples, group, path_segment
from cli.output import Format, print_item, print_list
from remit.dpop import create_proof
from remit.errors import ConfigurationError, InvalidInputError
from remit.ids import AccountName
from remit.reasons import reason_of

app = group("Keys of an account, listed in its DID document.")

_COLUMNS = ("jkt", "state", "created_at", "retired_at")

Account = Annotated[str, typer.Argument(help="The account's name.", show_default=False)]


@app.command(
    epilog=examples(
        "remit account key add acme --key private.pem",
        "remit account key add acme --proof proof.jwt",
    )
)
def add(
    account: Account,
    key: Annotated[
        Path | None,
        typer.Option(help="Its private half, P-256 in PEM: makes the proof here, and stays here.", show_default=False),
    ] = None,
    proof: Annotated[
        str | None,
        typer.Option(help="A proof made elsewhere: a file, or `-` for stdin.", show_default=False),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Register a key, by a proof that somebody has its private half."""
    path = _path(account)
    if (key is None) == (proof is None):
        raise InvalidInputError("either a key or a proof is needed", hint="pass --key FILE or --proof FILE")
    with connect() as issuer:
        made = _read(proof) if key is None else _prove(issuer, path, _private_key(key))
        print_item(issuer.post(path, {"proof": made.strip()}), output)


@app.command("list", epilog=examples("remit account key list acme"))
def list_(account: Account, output: Output = Format.TABLE) -> None:
    """List every key that an account ever had."""
    with connect() as issuer:
        print_list(issuer.pages(_path(account)), _COLUMNS, output)


@app.command(
    epilog=examples('remit account key revoke acme kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k --reason "lost"')
)
def revoke(
    account: Account,
    jkt: Annotated[str, typer.Argument(help="The key's thumbprint; the list shows it.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why, for the audit log.", show_default=False)],
    output: Output = Format.TABLE,
) -> None:
    """Take a key out of the account's DID document, for good."""
    with connect() as issuer:
        print_item(issuer.post(f"{_path(account)}/{path_segment(jkt)}/revoke", {"reason": reason}), output)


def _path(account: str) -> str:
    return f"{ADMIN}/accounts/{AccountName.parse(account)}/keys"


def _prove(issuer: IssuerClient, path: str, key: ec.EllipticCurvePrivateKey) -> str:
    """A proof for the URL as the issuer itself writes it, which may be another than it is reached by."""
    public_url = issuer.get("/.well-known/oauth-authorization-server").get("issuer")
    return create_proof(key, "POST", f"{public_url}{path}", now=int(time.time()))


def _private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        refuse_if_exposed(path, path.stat())
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {reason_of(error)}") from error
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{path} is not a private key in PEM without a password") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ConfigurationError(f"{path} is not a P-256 key", hint=_MAKE_ONE)
    return key


_MAKE_ONE = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out private.pem"


def _read(proof: str | None) -> str:
    if proof is None or proof == "-":
        return sys.stdin.read()
    try:
        return Path(proof).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read a proof from {proof}") from error
