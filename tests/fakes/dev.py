"""`remit dev` as tests use it: started with a mark, so that whatever it leaves behind is found."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

REMIT = str(Path(sys.executable).with_name("remit"))

_EXPORT = re.compile(r"export (\w+)=(.*)\n")
_PATIENCE_SECONDS = 15.0


class Ground:
    """A temporary folder and a mark in the environment: what is in the folder, or carries the mark, was left behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.environment = {**_clean(os.environ), "TMPDIR": str(folder), "DEV_MARK": self.mark}

    def start(self, *words: str, **more) -> subprocess.Popen[str]:
        """Start `remit dev` with `words`, its stdout and stderr piped."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": self.environment}
        return subprocess.Popen([REMIT, "dev", *words], **(pipes | more))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `remit dev` with `words` to its end."""
        return subprocess.run(
            [REMIT, "dev", *words], capture_output=True, text=True, env=self.environment, timeout=60, check=False
        )

    def processes(self) -> dict[int, str]:
        """The marked processes that run, by pid, with their command lines."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and entry.name != str(os.getpid()):
                try:
                    if self.mark.encode() in (entry / "environ").read_bytes():
                        found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
                except OSError:
                    continue
        return found

    def assert_nothing_left(self) -> None:
        """Wait until neither a process nor a file is left; fail with their names if they stay."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (left := (self.processes(), list(self.folder.iterdir()))) != ({}, []):
            assert time.monotonic() < deadline, left
            time.sleep(0.02)


@contextmanager
def fresh_ground() -> Iterator[Ground]:
    """A ground in a folder whose path is short enough for sockets; its processes are killed in the end."""
    folder = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    ground = Ground(folder)
    try:
        yield ground
    finally:
        for pid in ground.processes():
            os.kill(pid, 9)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_dev(ground: Ground, *words: str) -> Iterator[Mapping[str, str]]:
    """A development trust domain that stays; yields the environment in which a bare `remit` belongs to it."""
    with ground.start(*words, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            exports = dict(_EXPORT.fullmatch(process.stdout.readline()).groups() for _ in range(6))
            path = f"{Path(REMIT).parent}{os.pathsep}{os.environ['PATH']}"
            values = {name: shlex.split(value)[0] for name, value in exports.items()}
            yield {**ground.environment, **values, "PATH": path}
        finally:
            process.terminate()


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without anything that belongs to Remit or to a SPIFFE agent."""
    return {name: value for name, value in environment.items() if not name.startswith(("REMIT_", "SPIFFE_"))}
