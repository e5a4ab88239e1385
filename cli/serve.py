"""`remit serve`: run the issuer."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import examples
from cli.programs import become

app = typer.Typer(add_completion=False)


@app.command(epilog=examples("remit serve --config /var/lib/remit/remit.toml"))
def serve(
    config: Annotated[Path, typer.Option(help="The configuration file.", exists=True, dir_okay=False)] = Path(
        "remit.toml"
    ),
) -> None:
    """Run the issuer until it is told to stop (SIGTERM)."""
    become("issuer", ["--config", str(config)])
