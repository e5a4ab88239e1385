"""`remit join-token`: single-use secrets by which a sidecar joins the trust domain."""

from pathlib import Path
from typing import Annotated

import typer

from cli.credentials import require_place, write_private
from cli.issuer_client import ADMIN, connect
from cli.options import Output, examples, group
from cli.output import Format, note, print_json, readable
from remit.ids import SidecarName

app = group("Join tokens: single-use secrets by which a sidecar joins the trust domain.")

To = Annotated[Path | None, typer.Option(help="Write the token to this file, mode 0600.", show_default="stdout")]


@app.callback()
def _group() -> None:
    """Keep `create` a verb of its own although it is the only one."""


@app.command(
    epilog=examples(
        "remit join-token create edge-1 --to /etc/remit/join-token",
        "remit sidecar run --join-token-file /etc/remit/join-token",
    )
)
def create(
    sidecar: Annotated[str, typer.Argument(help="The name that the sidecar will have.", show_default=False)],
    ttl_seconds: Annotated[int, typer.Option(min=1, help="How long it can be used.")] = 600,
    to: To = None,
    output: Output = Format.TABLE,
) -> None:
    """Create a join token; it is shown once and works once."""
    require_place(to)
    body = {"sidecar": str(SidecarName.parse(sidecar)), "ttl_seconds": ttl_seconds}
    with connect() as issuer:
        answer = issuer.post(f"{ADMIN}/join-tokens", body)
    if to is not None:
        write_private(to, f"{answer['token']}\n".encode())
        answer = {key: value for key, value in answer.items() if key != "token"} | {"file": str(to)}
    if output is Format.JSON:
        print_json(answer)
        return
    if to is None:
        print(answer["token"])
    note(f"join token for sidecar {sidecar}, good once, until {readable('expires_at', answer.get('expires_at'))}")
