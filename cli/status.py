"""`remit status`: the revocation state that the issuer publishes."""

from cli.issuer_client import ADMIN, connect
from cli.options import Output, examples, group
from cli.output import Format, note, print_json, print_list

app = group("Revocation state that the issuer publishes.")

_COLUMNS = ("uri", "size", "allocated", "revoked", "suspended")


@app.callback()
def _group() -> None:
    """Keep `show` a verb of its own although it is the only one."""


@app.command(epilog=examples("remit status show", "remit status show -o json"))
def show(output: Output = Format.TABLE) -> None:
    """Show the status lists and how full they are."""
    with connect() as issuer:
        answer = issuer.get(f"{ADMIN}/status")
    lists = answer.get("lists")
    if output is Format.JSON:
        print_json(answer)
        return
    print_list(lists if isinstance(lists, list) else [], _COLUMNS, output)
    note(f"sequence {answer.get('seq')}")
