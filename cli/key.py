"""`remit key`: the issuer's signing keys."""

from cli.issuer_client import ADMIN, connect
from cli.options import Output, examples, group
from cli.output import Format, print_json, print_list

app = group("Signing keys of the issuer.")

_COLUMNS = ("kid", "purpose", "alg", "state", "created_at", "activates_at", "retires_at")


@app.command("list", epilog=examples("remit key list"))
def list_(output: Output = Format.TABLE) -> None:
    """List the signing keys and their states."""
    with connect() as issuer:
        print_list(issuer.pages(f"{ADMIN}/keys"), _COLUMNS, output)


@app.command(epilog=examples("remit key rotate"))
def rotate(output: Output = Format.TABLE) -> None:
    """Prepare a new signing key: announced now, signing once every verifier can know it; the old one retires after that."""
    with connect() as issuer:
        answer = issuer.post(f"{ADMIN}/keys/rotate", {})
    if output is Format.JSON:
        print_json(answer)
    else:
        print_list([key for key in answer.values() if isinstance(key, dict)], _COLUMNS, output)
