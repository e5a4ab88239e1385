"""How errors reach people: one line that says what was wrong, one that says what to do; never a traceback for bad input."""

import sys

import typer

from cli.exit_codes import ExitCode, exit_code_for
from cli.output import printable
from remit.errors import RemitError


def report(detail: str, hint: str | None = None) -> None:
    """Print `error: …`, and `hint: …` if there is one, on stderr."""
    print(f"error: {printable(detail)}", file=sys.stderr)
    if hint:
        print(f"hint: {printable(hint)}", file=sys.stderr)


def report_remit(error: RemitError) -> ExitCode:
    """Report an error of Remit's tree and say which exit code is its."""
    report(error.detail, error.hint)
    return exit_code_for(error)


def report_usage(error: typer.TyperException) -> ExitCode:
    """Report a wrong command line; an empty message means that help was printed instead."""
    message = error.format_message().replace("Value error, ", "").strip().rstrip(".")
    if message:
        path = getattr(getattr(error, "ctx", None), "command_path", "remit")
        report(message[0].lower() + message[1:], f"see `{path} --help`")
    return ExitCode.USAGE


def report_os(error: OSError) -> ExitCode:
    """Report a file that cannot be used."""
    reason = (error.strerror or type(error).__name__).lower()
    report(f"{error.filename}: {reason}" if error.filename else reason)
    return ExitCode.USAGE
