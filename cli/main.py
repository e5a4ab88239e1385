"""The `remit` command: finds the command that was asked for, runs it, and turns errors into one line and an exit code."""

import os
import re
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from cli.commands import COMMANDS, announce, attach
from cli.errors import report, report_os, report_remit, report_usage
from cli.exit_codes import ExitCode
from remit.errors import RemitError

_THUMBPRINT_RE = re.compile(r"-[A-Za-z0-9_-]{42}", re.ASCII)
_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main() -> None:
    """Run the command line of this process and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code (docs/reference/exit-codes.md); only defects show a traceback."""
    try:
        return _answer(arguments)
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except Exception:  # noqa: BLE001 - the outermost frame: a defect is shown whole, with the exit code that says so
        traceback.print_exc()
        report("this is a defect of remit", "report it with the lines above")
        return ExitCode.INTERNAL


def _answer(arguments: Sequence[str]) -> int:
    try:
        outcome = build(arguments)(_with_thumbprints_apart(arguments), prog_name="remit", standalone_mode=False)
        sys.stdout.flush()
    except RemitError as error:
        return report_remit(error)
    except typer.TyperException as error:
        return report_usage(error)
    except BrokenPipeError:
        raise
    except OSError as error:
        return report_os(error)
    return outcome if isinstance(outcome, int) else ExitCode.OK


def _with_thumbprints_apart(arguments: Sequence[str]) -> list[str]:
    """The same with those keys behind `--` whose thumbprint begins with a hyphen, as one in 64 does: they are no options."""
    if "--" in arguments:
        return list(arguments)
    apart = [argument for argument in arguments if _THUMBPRINT_RE.fullmatch(argument)]
    return [argument for argument in arguments if argument not in apart] + (["--", *apart] if apart else [])


def build(arguments: Sequence[str] | None = None) -> typer.Typer:
    """The application; only the command that `arguments` name is loaded, all when they are None or ask for completion."""
    root = typer.Typer(
        name="remit",
        help="Workload identity for AI agents: who it is, who pays, what it may call and spend; revocable everywhere.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    root.callback()(_root)
    everything = arguments is None or "_REMIT_COMPLETE" in os.environ
    named = next((argument for argument in arguments or () if not argument.startswith("-")), None)
    for command in COMMANDS:
        (attach if everything or command.name == named else announce)(root, command)
    return root


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"remit {version('remit-server')}")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Take the options of `remit` itself."""


if __name__ == "__main__":
    main()
