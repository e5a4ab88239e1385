"""`remit verifier`: the verifiers that providers have registered."""

from cli.issuer_client import ADMIN, connect
from cli.options import Limit, Output, examples, group
from cli.output import Format, print_list
from cli.problems import JSONObject

app = group("Verifiers: the processes of providers that a revocation waits for.")

_COLUMNS = ("provider", "name", "connected", "enforced_seq", "bound", "on_stale", "registered_at_ms", "seen_at_ms")


@app.callback()
def _group() -> None:
    """Keep `list` a verb of its own although it is the only one."""


@app.command("list", epilog=examples("remit verifier list", "remit verifier list -o json"))
def list_(limit: Limit = None, output: Output = Format.TABLE) -> None:
    """List the registered verifiers: who is connected, the newest change that each enforces, and its staleness bound."""
    with connect() as issuer:
        found = issuer.pages(f"{ADMIN}/verifiers", limit=limit)
        print_list(found if output is Format.JSON else map(_brief, found), _COLUMNS, output)


def _brief(verifier: JSONObject) -> JSONObject:
    bound_ms = verifier.get("bound_ms")
    return verifier | {"bound": f"{bound_ms / 1000:g} s" if isinstance(bound_ms, int) else None}
