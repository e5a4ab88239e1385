"""Options and help texts that many commands share."""

import re
import sys
from typing import Annotated

import typer

from cli.output import Format
from remit.errors import InvalidInputError

Output = Annotated[
    Format, typer.Option("-o", "--output", help="`table` for people, `json` for programs.", show_default=True)
]
Limit = Annotated[int | None, typer.Option(min=1, help="Stop after so many; all by default.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def examples(*lines: str) -> str:
    """The epilog of a command's help: lines that work as written."""
    return "\n\n".join(("Examples:", *(f"  {line}" for line in lines)))


def group(text: str) -> typer.Typer:
    """The group of a noun's verbs, described by `text`."""
    return typer.Typer(help=text, no_args_is_help=True, add_completion=False)


def confirm(question: str) -> None:
    """Ask on the terminal, the answer being no by default.

    Raises:
        InvalidInputError: there is nobody to ask.
        typer.Exit: the answer is no (exit code 1).
    """
    if not sys.stdin.isatty():
        raise InvalidInputError("there is no terminal to ask on", hint="pass --yes to go ahead")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)


def path_segment(text: str) -> str:
    """`text` as one segment of a URL's path; raises InvalidInputError when it cannot be an id."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,128}", text, re.ASCII) is None:
        raise InvalidInputError(f"{text[:64]!r} is not an id", hint="the list command shows the ids")
    return text
