"""The command as people see it: transcripts, one file each, run as written.

    $ remit account list        a line for the shell, in an empty folder of its own
    NAME  OWNER                 what it prints, stdout and stderr together
    [exit 2]                    its exit code, when it is not 0
    […]                         anything, within a line
    ...                         any number of lines
    # text                      for the reader

The first line says where: `# in a development trust domain` or `# anywhere`.
"""

import contextlib
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.dev import REMIT, fresh_ground, running_dev

_FILES = sorted(Path(__file__).parent.glob("*.txt"))


@dataclass(frozen=True)
class Step:
    """One command of a transcript, and what it should print."""

    line: int
    command: str
    expected: str


def parse(text: str) -> list[Step]:
    """The steps of a transcript."""
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("$ "):
            steps.append(Step(number, line.removeprefix("$ "), ""))
        elif line and not line.startswith("#"):
            last = steps.pop()
            steps.append(Step(last.line, last.command, f"{last.expected}{line}\n"))
    return steps


def matches(expected: str, printed: str) -> bool:
    """Whether what was printed is what was expected, wildcards considered."""
    pattern = re.escape(expected).replace(re.escape("[…]"), ".*")
    pattern = re.sub(r"(?m)^\\\.\\\.\\\.\n", r"(?:.*\n)*", pattern.replace("\\\n", "\n"))
    return re.fullmatch(pattern, printed) is not None


@contextlib.contextmanager
def _place(where: str) -> Iterator[Mapping[str, str]]:
    with fresh_ground() as ground:
        if where == "# anywhere":
            path = f"{Path(REMIT).parent}:{ground.environment['PATH']}"
            yield {**ground.environment, "PATH": path, "HOME": str(ground.folder)}
            return
        assert where == "# in a development trust domain"
        with running_dev(ground) as environment:
            yield {**environment, "HOME": str(ground.folder)}


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.stem)
def test_the_transcript_is_true(path: Path, tmp_path: Path):
    """Each command prints what the file says."""
    text = path.read_text()
    with _place(text.partition("\n")[0]) as environment:
        for step in parse(text):
            ended = subprocess.run(
                ["bash", "-c", step.command],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                env=environment,
                cwd=tmp_path,
                timeout=60,
                check=False,
            )
            printed = ended.stdout + (f"[exit {ended.returncode}]\n" if ended.returncode else "")
            assert matches(step.expected, printed), f"{path.name}:{step.line}: $ {step.command}\n{printed}"


@pytest.mark.parametrize(
    ("expected", "printed", "agree"),
    [
        ("a […] c\n", "a b c\n", True),
        ("a […] c\n", "a b\nc\n", False),
        ("a\n...\nz\n", "a\nb\nc\nz\n", True),
        ("a\n...\nz\n", "a\nz\n", True),
        ("a\n", "a\nb\n", False),
        ("a\n[exit 1]\n", "a\n", False),
        ("(a.b)\n", "(axb)\n", False),
    ],
)
def test_wildcards_match_what_they_say_and_no_more(expected: str, printed: str, agree: bool):
    """A transcript that is wrong must fail."""
    assert matches(expected, printed) is agree
