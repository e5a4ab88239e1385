"""Which argument of an interpreter is the entry script.

    python x.py, python -I x.py      x.py
    python -m package.module         the module's file, found without importing anything
    node x.js, node --inspect x.js   x.js
    ruby, perl, sh, bash and kin     the first argument that is not an option
    -c, -e, -, or nothing            no script: the program text itself is on the command line or on stdin

What is not found is not claimed: the launch then carries no script, and an entry that selects by script does not match.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

import msgspec

from cli.launch.child import Program

_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class _Interpreter:
    """How one interpreter's command line is read.

    Attributes:
        names: what its file is called.
        with_value: options whose value is the next argument.
        inline: options after which there is no script.
        module: the option that names a module, if it has one.
    """

    names: re.Pattern[str]
    with_value: frozenset[str] = frozenset()
    inline: frozenset[str] = frozenset()
    module: str | None = None


_INTERPRETERS = (
    _Interpreter(
        re.compile(r"(python|pypy)[0-9.]*t?"),
        frozenset({"-W", "-X", "--check-hash-based-pycs"}),
        frozenset({"-c"}),
        "-m",
    ),
    _Interpreter(
        re.compile(r"node(js)?"),
        frozenset(
            {"-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--env-file"}
        ),
        frozenset({"-e", "--eval", "-p", "--print", "-pe"}),
    ),
    _Interpreter(re.compile(r"(ruby|perl)[0-9.]*"), frozenset({"-I", "-r"}), frozenset({"-e", "-E"})),
    _Interpreter(re.compile(r"(ba|da|z|k)?sh"), frozenset({"-o", "+o", "-O"}), frozenset({"-c", "-s"})),
)


def find_script(program: Program) -> str | None:
    """The absolute path of the entry script, symbolic links resolved; None when there is none or it is not found."""
    name = Path(program.executable).name
    interpreter = next((known for known in _INTERPRETERS if known.names.fullmatch(name)), None)
    if interpreter is None:
        return None
    options, operand = _split(interpreter, program.arguments[1:])
    if operand is None or operand == "-":
        return None
    if interpreter.module is not None and options[-1:] == [interpreter.module]:
        return _module_file(program, options[:-1], operand)
    path = os.path.realpath(operand)
    main = os.path.join(path, "__main__.py")  # noqa: PTH118 - `python FOLDER` runs it
    path = main if os.path.isdir(path) and interpreter.module is not None else path  # noqa: PTH112 - as above
    return path if Path(path).is_file() else None


def _split(interpreter: _Interpreter, arguments: tuple[str, ...]) -> tuple[list[str], str | None]:
    """The interpreter's own options, and the script (or the module's name) after them."""
    options: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            return options, next(words, None)
        if not word.startswith("-") or word == "-":
            return options, word
        options.append(word)
        if word in interpreter.inline:
            return options, None
        if word == interpreter.module:
            return options, next(words, None)
        if word in interpreter.with_value:
            options.append(next(words, ""))
    return options, None


def _module_file(program: Program, options: list[str], module: str) -> str | None:
    """The file that `python -m module` runs; the search path comes from that interpreter, nothing of the module is imported."""
    spec: ModuleSpec | None = None
    path = _search_path(program, options)
    for depth, _ in enumerate(names := module.split("."), start=1):
        spec = PathFinder.find_spec(".".join(names[:depth]), path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    if spec is not None and spec.submodule_search_locations is not None:
        spec = PathFinder.find_spec(f"{module}.__main__", path)
    return os.path.realpath(spec.origin) if spec is not None and spec.origin and spec.has_location else None


def _search_path(program: Program, options: list[str]) -> list[str]:
    """`sys.path` as `python -m` of that interpreter has it: the current folder first, unless an option forbids it."""
    probe = "import json, sys; print(json.dumps([sys.flags.safe_path, sys.path]))"
    answer = subprocess.run(  # noqa: S603 - the program that is launched anyway
        [program.executable, *options, "-c", probe],
        env=dict(program.environment),
        capture_output=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if answer.returncode != 0:
        return []
    safe, path = msgspec.json.decode(answer.stdout, type=tuple[bool, list[str]])
    return path if safe else [str(Path.cwd()), *path[1:]]
