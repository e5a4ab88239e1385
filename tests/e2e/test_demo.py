"""`make demo`: it says whether the main road is open, and leaves nothing behind."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "demo" / "demo.py"


def processes_under(folder: Path) -> list[str]:
    """The command lines of processes that name `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command:
            found.append(command)
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short: the path of a socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def test_every_step_is_seen_to_happen(folder: Path):
    """All steps pass; no process and no file remains."""
    demo = [sys.executable, str(DEMO)]
    environment = os.environ | {"TMPDIR": str(folder)}
    ran = subprocess.run(demo, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    assert "were seen to happen" in ran.stdout
    assert processes_under(folder) == []
    assert list(folder.iterdir()) == []
