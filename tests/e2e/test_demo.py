"""`make demo`: it says whether the main road is open, and leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

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


def test_every_step_is_seen_to_happen(tmp_path: Path):
    """All steps pass; no process and no file remains."""
    demo = [sys.executable, str(DEMO)]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    ran = subprocess.run(demo, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    assert "were seen to happen" in ran.stdout
    assert processes_under(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
