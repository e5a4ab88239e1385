"""`remit sidecar`: the program that stands next to the agents."""

from pathlib import Path
from typing import Annotated

import typer

from cli.issuer_client import ADMIN, connect
from cli.options import Limit, Output, examples, group
from cli.output import Format, print_list
from cli.programs import become

app = group("Sidecars: the programs that stand next to the agents.")

_COLUMNS = ("name", "state", "created_at", "joined_at", "seen_at")


@app.command("list", epilog=examples("remit sidecar list"))
def list_(limit: Limit = None, output: Output = Format.TABLE) -> None:
    """List the sidecars that have joined."""
    with connect() as issuer:
        print_list(issuer.pages(f"{ADMIN}/sidecars", limit=limit), _COLUMNS, output)


@app.command(
    epilog=examples(
        "remit sidecar run --issuer https://issuer.example.org --state-dir /var/lib/remit-sidecar --join-token-file token",
        "remit sidecar run --config /etc/remit/sidecar.toml",
    )
)
def run(
    *,
    config: Annotated[Path | None, typer.Option(help="A TOML file with these settings.", show_default=False)] = None,
    issuer: Annotated[str | None, typer.Option(help="The issuer's URL.", show_default="REMIT_ISSUER")] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Where its key is kept.", show_default=False)] = None,
    socket_dir: Annotated[Path | None, typer.Option(help="Where the sockets are.", show_default="/run/remit")] = None,
    join_token_file: Annotated[
        Path | None, typer.Option(help="The join token, needed once; REMIT_JOIN_TOKEN does too.", show_default=False)
    ] = None,
    name: Annotated[str | None, typer.Option(help="Refuse to join under another name.", show_default=False)] = None,
) -> None:
    """Run the sidecar until it is told to stop (SIGTERM)."""
    given = {
        "--config": config,
        "--issuer": issuer,
        "--state-dir": state_dir,
        "--socket-dir": socket_dir,
        "--join-token-file": join_token_file,
        "--name": name,
    }
    become("sidecar", [word for option, value in given.items() if value is not None for word in (option, str(value))])
