"""Which argument of an interpreter is the entry script."""

import os
import sys
from pathlib import Path

import pytest

from cli.launch.child import Program
from cli.launch.interpreters import find_script


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path.resolve()
    for name in ("x.py", "x.js", "x.sh", "app/__main__.py", "app/__init__.py", "app/tool.py", "one.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("raise SystemExit('imported')\n")
    monkeypatch.chdir(folder)
    return folder


def _script(*arguments: str, executable: str = sys.executable) -> str | None:
    return find_script(Program(executable, (executable, *arguments), os.environ))


@pytest.mark.parametrize(
    ("executable", "arguments", "found"),
    [
        ("/usr/bin/python3.11", "x.py --flag", "x.py"),
        ("/usr/bin/python3", "-I -W error x.py", "x.py"),
        ("/usr/bin/python3", "-Xdev -u -- x.py", "x.py"),
        ("/usr/bin/python3", "app", "app/__main__.py"),
        ("/usr/bin/python3", "-c x.py", None),
        ("/usr/bin/python3", "-", None),
        ("/usr/bin/python3", "", None),
        ("/usr/bin/python3", "gone.py", None),
        ("/usr/bin/node", "--inspect -r ./hook.js x.js", "x.js"),
        ("/usr/bin/node", "--require=./hook.js x.js", "x.js"),
        ("/usr/bin/nodejs", "-e x.js", None),
        ("/usr/bin/node", "app", None),
        ("/bin/bash", "-eu -o pipefail x.sh", "x.sh"),
        ("/bin/sh", "-c x.sh", None),
        ("/usr/bin/make", "x.sh", None),
    ],
)
def test_the_script_is_the_first_operand(folder: Path, executable: str, arguments: str, found: str | None):
    """Options, and the values of options, are not mistaken for it; what is not a file is not claimed."""
    assert _script(*arguments.split(), executable=executable) == (found and str(folder / found))


@pytest.mark.parametrize(
    ("module", "found"),
    [("one", "one.py"), ("app", "app/__main__.py"), ("app.tool", "app/tool.py"), ("nothing.there", None)],
)
def test_a_module_is_found_without_being_imported(folder: Path, module: str, found: str | None):
    """`python -m` looks in the current folder first; the modules here end the process when they are imported."""
    assert _script("-m", module, "--flag") == (found and str(folder / found))


def test_a_module_is_found_as_that_interpreter_would(folder: Path):
    """With `-P` the current folder is not on its search path, and so the module is not there."""
    assert _script("-P", "-m", "one") is None
    assert (_script("-m", "json.tool") or "").endswith("/json/tool.py")
