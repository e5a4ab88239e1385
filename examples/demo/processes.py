"""What the demo starts, as real processes, and how it makes sure that none outlives it."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import httpx

HERE = Path(__file__).parent
REMIT = [str(Path(sys.executable).with_name("remit"))]
PR_SET_PDEATHSIG = 1


class FailedError(Exception):
    """A step of the demo was not seen to happen."""


class Processes:
    """Programs in the background; leaving the context ends them all, the last one started first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for _, process in reversed(self._running):
            process.terminate()
        for _, process in reversed(self._running):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, name: str, command: Sequence[str], ready: Callable[[], bool], **environment: str) -> None:
        """Start `command` and wait until `ready()`; its output goes to `<name>.log`."""
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | environment, preexec_fn=die_with_parent
            )
        self._running.append((name, process))
        deadline = time.monotonic() + 20
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise FailedError(f"{name} did not start:\n{(self._folder / f'{name}.log').read_text()[-2000:]}")
            time.sleep(0.02)


def die_with_parent() -> None:
    """In a child: end when the demo ends, however it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def remit(*arguments: str, **environment: str) -> str:
    """Run the `remit` command; its standard output."""
    ran = subprocess.run(
        [*REMIT, *arguments], env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
    )
    if ran.returncode:
        raise FailedError(f"remit {' '.join(arguments)}: {ran.stderr.strip()}")
    return ran.stdout


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers(url: str) -> Callable[[], bool]:
    """Whether an HTTP server answers at `url`, whatever it answers."""

    def check() -> bool:
        try:
            httpx.get(url, timeout=2)
        except httpx.TransportError:
            return False
        return True

    return check


def lines_of_json(text: str) -> list[dict[str, object]]:
    """The objects of a program that prints one a line."""
    return [json.loads(line) for line in text.splitlines()]
