"""Every command of `remit` with wrong options, wrong files, and nobody at the other end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from cli.commands import COMMANDS
from cli.exit_codes import ExitCode
from cli.main import build, run

REMIT = str(Path(sys.executable).parent / "remit")
PROGRAMS = {("init",), ("serve",), ("sidecar", "run"), ("run",), ("dev",)}
"""These replace the process, so that they are tried in one of their own."""

SECRET = "remit_op_this-must-not-come-back-from-anywhere"
NOBODY = "http://127.0.0.1:9"


def commands(group, path=()):
    """Every command that does something, with its parameters."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command.params


EVERY = {
    path: parameters for path, parameters in commands(get_command(build())) if path[0] in {c.name for c in COMMANDS}
}
INSIDE = [path for path in EVERY if path not in PROGRAMS]


def required(path):
    """Arguments that satisfy the command line of a command."""
    words = []
    for parameter in EVERY[path]:
        if parameter.required:
            value = "acme/x"
            words += [parameter.opts[0], value] if parameter.opts[0].startswith("-") else [value]
    if any("--yes" in parameter.opts for parameter in EVERY[path]):
        words += ["--yes"]
    return [*path, *words]


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """An empty folder, a home without credentials, nobody at the other end."""
    for name in [name for name in os.environ if name.startswith(("REMIT_", "SPIFFE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        yield tmp_path


def told(capsys, code, *, codes=tuple(ExitCode)):
    """What was said on stderr: one line, and a hint at most; never a traceback, never a secret."""
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert lines, out
    assert lines[0].startswith("error: "), err
    assert [line for line in lines[1:] if not line.startswith("hint: ")] == [], err
    assert len(lines) <= 2
    assert SECRET not in out + err
    assert code in codes, (code, err)
    assert code != ExitCode.INTERNAL
    return err


@pytest.mark.parametrize("path", INSIDE, ids=" ".join)
def test_a_wrong_option(nowhere, capsys, path):
    """Exit code 2, and where help is."""
    code = run([*path, f"--frob={SECRET}"])
    assert "hint: see `remit" in told(capsys, code, codes=[ExitCode.USAGE])


@pytest.mark.parametrize("path", INSIDE, ids=" ".join)
def test_no_credential_and_nobody_there(nowhere, capsys, path):
    """The command line is right, and everything else is missing."""
    code = run(required(path))
    if code == ExitCode.OK or path == ("doctor",):
        assert "Traceback" not in "".join(capsys.readouterr())
    else:
        told(capsys, code)


@pytest.mark.parametrize("path", INSIDE, ids=" ".join)
def test_an_issuer_that_is_away(nowhere, capsys, monkeypatch, path):
    """With a credential for an issuer that nobody is at."""
    credentials = nowhere / "c.json"
    credentials.write_text(f'{{"issuer":"{NOBODY}","token":"{SECRET}"}}')
    credentials.chmod(0o600)
    monkeypatch.setenv("REMIT_CREDENTIALS", str(credentials))
    code = run(required(path))
    if code == ExitCode.OK or path == ("doctor",):
        assert "Traceback" not in "".join(capsys.readouterr())
    else:
        told(capsys, code, codes=[ExitCode.USAGE, ExitCode.UNREACHABLE, ExitCode.NOT_FOUND, ExitCode.REFUSED])


BAD_CREDENTIALS = {
    "not json": b"not json",
    "not text": b"\xff\xfe\x00",
    "nothing": b"",
    "deep": b"[" * 100_000,
    "a list": b"[]",
    "no token": b'{"issuer":"http://127.0.0.1:9"}',
    "a token that is a number": b'{"issuer":"http://127.0.0.1:9","token":7}',
    "a token with a line break": b'{"issuer":"http://127.0.0.1:9","token":"a\\r\\nX: y"}',
    "a token that is not ascii": '{"issuer":"http://127.0.0.1:9","token":"é"}'.encode(),
    "an issuer that is no url": b'{"issuer":"::","token":"x"}',
    "an issuer in the clear": b'{"issuer":"http://example.org","token":"x"}',
    "an issuer that is a file": b'{"issuer":"file:///etc/passwd","token":"x"}',
    "a port that is none": b'{"issuer":"http://127.0.0.1:99999999","token":"x"}',
}


@pytest.mark.parametrize("wrong", BAD_CREDENTIALS)
def test_a_credential_file_that_is_none(nowhere, capsys, monkeypatch, wrong):
    """One line that names the file or the setting."""
    path = nowhere / "c.json"
    path.write_bytes(BAD_CREDENTIALS[wrong])
    path.chmod(0o600)
    monkeypatch.setenv("REMIT_CREDENTIALS", str(path))
    told(capsys, run(["whoami"]), codes=[ExitCode.USAGE, ExitCode.UNREACHABLE, ExitCode.FORBIDDEN])


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"trust_domain = ", b'trust_domain = "a/b"\n[http]\nlisten = 7'],
)
def test_a_configuration_that_is_garbage(tmp_path, content):
    """The issuer does not start: one line, a hint, exit code 1."""
    path = tmp_path / "remit.toml"
    path.write_bytes(content)
    done = subprocess.run(
        [REMIT, "serve", "--config", str(path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == ExitCode.REFUSED, done.stderr
    assert done.stderr.splitlines()[0].startswith("error: ")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2


@pytest.mark.parametrize("path", sorted(PROGRAMS), ids=" ".join)
def test_a_wrong_option_of_a_program(tmp_path, path):
    """Nothing is started."""
    done = subprocess.run(
        [REMIT, *path, "--frob"], capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path
    )
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith("error: ")
    assert "hint: " in done.stderr
    assert list(tmp_path.iterdir()) == []
