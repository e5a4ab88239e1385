"""The command line as a whole: what is loaded, what is documented, how errors look."""

import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from cli.commands import COMMANDS
from cli.main import build, run


def _commands(group: TyperGroup, path: str) -> Iterator[tuple[str, TyperCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


_ALL = dict(_commands(get_command(build()), "remit"))


@pytest.mark.parametrize("path", _ALL)
def test_every_command_explains_itself(path: str):
    """It has a text, every option has one, and it has examples."""
    command = _ALL[path]

    assert command.help
    assert all(parameter.help for parameter in command.params)
    assert (command.epilog or "").startswith("Examples:\n\n  remit ")


@pytest.mark.parametrize(
    "example",
    [line.strip() for command in _ALL.values() for line in (command.epilog or "").splitlines()[1:] if line.strip()],
)
def test_every_example_parses(example: str):
    """The examples name commands and options that exist."""
    for line in example.split(" | "):
        _, *words = shlex.split(line.partition(" < ")[0])
        parsed = get_command(build())
        context = parsed.make_context("remit", words[:0], resilient_parsing=True)
        while isinstance(parsed, TyperGroup):
            parsed, words = parsed.commands[words[0]], words[1:]
        if parsed.name != "serve":  # its file must exist
            parsed.make_context(parsed.name, words, parent=context)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_help_of_the_root_agrees_with_the_commands(command):
    """The one line in `remit --help` is kept apart from the module, so that showing it loads nothing."""
    assert command.help.endswith(".")
    assert any(path == f"remit {command.name}" or path.startswith(f"remit {command.name} ") for path in _ALL)


def test_help_is_quick_because_it_loads_nothing():
    """`remit --help` imports no HTTP client and no command."""
    program = "import sys; from cli.main import run; run(['--help']); print(*sys.modules, sep='\\n')"

    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert not {"httpx", "spiffe", "aiohttp", "cli.account", "cli.token"} & set(shown.splitlines())
    assert "In the bad hour" in shown


@pytest.mark.parametrize(
    ("line", "error", "hint"),
    [
        ("accont list", "no such command 'accont'. Did you mean 'account'?", "see `remit --help`"),
        ("account lst", "no such command 'lst'. Did you mean 'list'?", "see `remit account --help`"),
        ("account list --frob", "no such option: --frob", "see `remit account list --help`"),
        ("account create acme", "missing option '--owner'", "see `remit account create --help`"),
        ("account create ac/me --owner x", "no valid account name: 'ac/me'", "use letters, digits, '.', '-' and '_'"),
        (
            "account list -o yaml",
            "invalid value for '-o' / '--output': 'yaml' is not one of",
            "see `remit account list --help`",
        ),
        (
            "serve --config /nowhere.toml",
            "invalid value for '--config': file '/nowhere.toml' does not exist",
            "see `remit serve",
        ),
        ("import /nowhere.jsonl", "/nowhere.jsonl: no such file or directory", ""),
        ("entry show ../x", "'../x' is not an id", "the list command shows the ids"),
        ("grant create acme/a --limit soon", "not a spend limit: 'soon'", 'write it as "20 USD daily"'),
        ("grant create acme/a --scope x --limit 'a'", "--scope already says it all", "leave out --limit"),
    ],
)
def test_bad_use_is_one_line_and_a_hint(line: str, error: str, hint: str, capsys: pytest.CaptureFixture[str]):
    """No traceback, no usage dump, exit code 2."""
    code = run(shlex.split(line))

    said = capsys.readouterr()
    assert code == 2
    assert said.out == ""
    first, *more = said.err.splitlines()
    assert error in first
    assert first.startswith("error: ")
    assert [line.startswith(f"hint: {hint}") for line in more] == ([True] if hint else [])


def test_a_defect_is_shown_whole(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """What nobody foresaw has a traceback to report, and an exit code of its own."""
    monkeypatch.setattr("cli.main.build", lambda _arguments: 1 / 0)

    assert run(["whoami"]) == 70
    assert "ZeroDivisionError" in (said := capsys.readouterr().err)
    assert "error: this is a defect of remit" in said


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]):
    """`remit --version` says which it is."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("remit 0.")


@pytest.mark.parametrize(
    "line", ["key revoke {} --reason r --yes", "key revoke --reason r {} -y", "key revoke -y --reason r -- {}"]
)
def test_a_thumbprint_may_begin_with_a_hyphen(line: str, monkeypatch: pytest.MonkeyPatch):
    """One in 64 does, and one in 4096 with two; neither is taken for options."""
    named: list[str] = []
    monkeypatch.setattr("cli.key.act", lambda _verb, what, *_rest, **_more: named.append(what))
    kids = ["-ojlt9LzSDpIpnVjZ5PDc8Wk3bN1cXPX7B_aiDkjxOM", "--help9LzSDpIpnVjZ5PDc8Wk3bN1cXPX7B_aiDkjxO"]
    for kid in kids:
        assert run(line.format(kid).split()) == 0
    assert named == [f"key:{kid}" for kid in kids]
