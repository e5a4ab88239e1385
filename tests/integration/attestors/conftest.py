"""Real processes that connect to a real Unix socket and then do as they are told."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from attestors.handle import ProcessHandle

CALLER = """
import os, socket, sys
connection = socket.socket(socket.AF_UNIX)
uid = int(sys.argv[2])
if uid >= 0:
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
connection.connect(sys.argv[1])
connection.set_inheritable(True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Caller(NamedTuple):
    """A process and what the sidecar's side holds of it."""

    process: subprocess.Popen[str]
    connection: socket.socket

    def handle(self) -> ProcessHandle:
        return ProcessHandle.of_peer(self.connection)

    def tell(self, statement: str) -> None:
        """Let the process run one line of Python and wait until it has."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(statement + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every uid may reach and run programs in; pytest's own is for its owner only."""
    with TemporaryDirectory(prefix="remit-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def interpreter(folder: Path) -> Path:
    """A copy of the interpreter, to be replaced or deleted at will."""
    copy = folder / "python"
    shutil.copy(Path(sys.executable).resolve(), copy)
    return copy


@pytest.fixture
def call(folder: Path) -> Iterator[Callable[..., Caller]]:
    """Start callers; they end with the test."""
    path = folder / "socket"
    started: list[Caller] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen()

        def start(executable: Path | str = sys.executable, uid: int = -1) -> Caller:
            environment = {**os.environ, "PYTHONHOME": sys.base_prefix}
            process = subprocess.Popen(
                [str(executable), "-S", "-c", CALLER, str(path), str(uid)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            caller = Caller(process, listener.accept()[0])
            started.append(caller)
            return caller

        yield start
        for caller in started:
            caller.end()
            caller.connection.close()
            for pipe in (caller.process.stdin, caller.process.stdout):
                assert pipe is not None
                pipe.close()
