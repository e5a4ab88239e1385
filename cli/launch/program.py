"""From the words after `--` to the one program that will be exec'd, and the entry script that it runs.

A launch is bound to one program image, so what is exec'd must be the interpreter itself: a script's `#!` line is expanded
here (`#!/usr/bin/env python3` too), because the kernel's expansion would go through `env`, which execs once more. The rules
for finding the script are in docs/reference/cli.md under `remit run`.
"""

import errno
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cli.launch.child import LaunchError, Program
from cli.launch.interpreters import find_script

_LONGEST_LINE = 256  # BINPRM_BUF_SIZE, linux/binfmts.h
_DEEPEST = 4


def find_program(command: Sequence[str], environment: Mapping[str, str]) -> Program:
    """The program that `command` names, looked for on the PATH of `environment`, and its entry script.

    Raises:
        LaunchError: there is no such program, or it may not be executed.
    """
    program = Program(_located(command[0], environment), tuple(command), environment)
    expanded = _expand(program, _DEEPEST)
    if expanded is not program:
        return replace(expanded, script=os.path.realpath(program.executable))
    return replace(program, script=find_script(program))


def _located(name: str, environment: Mapping[str, str]) -> str:
    found = shutil.which(name, path=environment.get("PATH", os.defpath))
    if found is None:
        raise LaunchError(name, errno.EACCES if os.path.sep in name and Path(name).is_file() else errno.ENOENT)
    return os.path.join(Path.cwd(), found)  # noqa: PTH118 - symbolic links and the name as typed are kept: they choose a virtual environment


def _expand(program: Program, depth: int) -> Program:
    """What a script with `#!` comes to; the program itself when it is none."""
    line = _hash_bang(program.executable)
    if line is None or depth == 0:
        return program
    words = line.split(maxsplit=1)
    if Path(words[0]).name == "env" and len(words) == 2:
        words = _through_env(words[1], program.environment) or words
    interpreter, *options = words
    arguments = (interpreter, *options, program.executable, *program.arguments[1:])
    return _expand(Program(_located(interpreter, program.environment), arguments, program.environment), depth - 1)


def _through_env(argument: str, environment: Mapping[str, str]) -> list[str] | None:
    """What `env` would exec, when it is only asked to search the PATH; None when it is asked for more."""
    words = shlex.split(argument.removeprefix("-S")) if argument.startswith("-S") else [argument]
    if not words or words[0].startswith("-") or "=" in words[0]:
        return None
    return [_located(words[0], environment), *words[1:]]


def _hash_bang(executable: str) -> str | None:
    """The text after `#!` in the first line of a file, or None."""
    try:
        with open(executable, "rb") as file:  # noqa: PTH123 - a name, as exec takes it
            first = file.read(_LONGEST_LINE)
    except OSError:
        return None
    if not first.startswith(b"#!"):
        return None
    return os.fsdecode(first[2:].split(b"\n", 1)[0]).strip() or None
