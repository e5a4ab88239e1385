"""Starting Remit's other programs, with the same interpreter and never from the current folder."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn


def python_module(module: str, *arguments: str) -> list[str]:
    """The command line of one of our packages; `-P` keeps a folder `issuer/` of the caller's project from being run instead."""
    return [sys.executable, "-P", "-m", module, *arguments]


def become(module: str, arguments: Sequence[str]) -> NoReturn:
    """Replace this process by `python -m module`."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, python_module(module, *arguments))  # noqa: S606 - no shell is meant
