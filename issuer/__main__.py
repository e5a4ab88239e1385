"""`python -m issuer --config FILE` serves; `python -m issuer init DIR` makes a data folder. `remit serve` and `remit init` run these."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from issuer.config import load
from issuer.initialize import Wanted, initialize
from issuer.logs import configure
from issuer.serving import serve
from remit.errors import ConfigurationError, RemitError

_REFUSED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code: 0, or 1 when the issuer would not start (argparse exits with 2)."""
    options = _parser().parse_args(arguments)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_initialize(options) if options.command == "init" else _serve(options))
    except RemitError as error:
        sys.stderr.write(f"error: {error.detail}\n")
        if error.hint:
            sys.stderr.write(f"hint: {error.hint}\n")
        return _REFUSED
    return 0


async def _serve(options: argparse.Namespace) -> None:
    if options.config is None:
        raise ConfigurationError("no configuration", hint="--config DIR/remit.toml; `remit init DIR` writes one")
    config = load(options.config, os.environ)
    configure(config.log)
    await serve(config, ready_fd=options.ready_fd)


async def _initialize(options: argparse.Namespace) -> None:
    wanted = Wanted(options.folder, options.trust_domain, options.public_url, options.listen)
    await initialize(wanted)
    path = options.folder / "remit.toml"
    if options.serve:
        config = load(path, os.environ)
        configure(config.log)
        await serve(config, ready_fd=options.ready_fd)
        return
    sys.stdout.write(
        f"made {options.folder}: remit.toml, remit.db, keys/, and operator.json with the first operator's credential\n"
        f"start it with: remit serve --config {path}\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m issuer", description="The Remit issuer.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the configuration, TOML")
    parser.add_argument(
        "--ready-fd",
        type=int,
        metavar="N",
        help="write the public URL to this file descriptor once requests are accepted",
    )
    parser.set_defaults(command="serve")
    commands = parser.add_subparsers(title="commands")
    making = commands.add_parser("init", help="make a data folder")
    making.set_defaults(command="init")
    making.add_argument("folder", type=Path, metavar="DIR", help="the folder to make; it must be new or empty")
    making.add_argument("--trust-domain", required=True, metavar="NAME", help="such as example.org")
    making.add_argument("--public-url", metavar="URL", help="such as https://issuer.example.org")
    making.add_argument("--listen", default="127.0.0.1:8750", metavar="ADDRESS:PORT")
    making.add_argument("--serve", action="store_true", help="go on to serve, without starting a second process")
    return parser


if __name__ == "__main__":
    sys.exit(main())
