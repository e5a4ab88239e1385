"""From the words after `--` to the program that is exec'd, and its entry script."""

import os
import sys
from pathlib import Path

import pytest

from cli.launch.child import LaunchError
from cli.launch.program import find_program


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a `bin` of its own first on the PATH."""
    folder = tmp_path.resolve()
    binaries = folder / "bin"
    binaries.mkdir()
    (binaries / "python3").symlink_to(sys.executable)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{binaries}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return folder


def _script(path: Path, first_line: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{first_line}\nprint()\n")
    path.chmod(0o755)
    return path


def _find(*command: str):
    return find_program(command, os.environ)


def test_a_program_is_looked_for_on_the_path(folder: Path):
    """Its path stays as the PATH gives it, symbolic links and all: they choose a virtual environment."""
    program = _find("python3", "-c", "pass")

    assert program.executable == str(folder / "bin/python3")
    assert program.arguments == ("python3", "-c", "pass")
    assert program.script is None


@pytest.mark.parametrize(
    "first_line", ["#!/usr/bin/env python3", "#! /usr/bin/env python3 ", "#!/usr/bin/env -S python3 -I"]
)
def test_a_script_is_run_by_its_interpreter_directly(folder: Path, first_line: str):
    """`env` is not executed in between: a launch is bound to the one program that is."""
    script = _script(folder / "agent.py", first_line)
    options = ("-I",) if "-S" in first_line else ()

    program = _find("./agent.py", "--verbose")

    interpreter = str(folder / "bin/python3")
    assert program.executable == interpreter
    assert program.arguments == (interpreter, *options, f"{folder}/./agent.py", "--verbose")
    assert program.script == str(script)


def test_an_interpreter_with_one_argument_gets_it(folder: Path):
    """As the kernel does: all after the interpreter is one argument."""
    _script(folder / "bin/agent", f"#!{sys.executable} -B -I")

    program = _find("agent")

    assert program.arguments == (sys.executable, "-B -I", str(folder / "bin/agent"))


def test_a_script_of_a_script_is_expanded_to_the_end(folder: Path):
    """An interpreter that is itself a script."""
    _script(folder / "bin/mid", "#!/usr/bin/env python3")
    script = _script(folder / "bin/agent", f"#!{folder}/bin/mid")

    program = _find("agent", "x")

    assert program.executable == str(folder / "bin/python3")
    assert program.arguments[1:] == (str(folder / "bin/mid"), str(folder / "bin/agent"), "x")
    assert program.script == str(script)


def test_env_with_more_to_do_is_left_alone(folder: Path):
    """Variables and options of `env` are `env`'s business."""
    _script(folder / "agent.py", "#!/usr/bin/env -S A=1 python3")

    assert Path(_find("./agent.py").executable).name == "env"


def test_the_script_is_named_without_symbolic_links(folder: Path):
    """One file has one name in a selector."""
    real = _script(folder / "v2/agent.py", "#!/usr/bin/env python3")
    (folder / "current").symlink_to(folder / "v2")

    assert _find("current/agent.py").script == str(real)


@pytest.mark.parametrize(("name", "code"), [("no-such-program", 127), ("./no-such-file", 127), ("./plain.txt", 126)])
def test_what_cannot_be_run_has_the_exit_code_of_a_shell(folder: Path, name: str, code: int):
    """127 is not found, 126 not executable."""
    (folder / "plain.txt").write_text("text")

    with pytest.raises(LaunchError) as caught:
        _find(name)

    assert caught.value.exit_code == code


def test_an_interpreter_that_is_missing_is_named(folder: Path):
    """The error is about the interpreter, which is what is missing."""
    _script(folder / "agent.py", "#!/nowhere/python9")

    with pytest.raises(LaunchError, match="/nowhere/python9"):
        _find("./agent.py")
