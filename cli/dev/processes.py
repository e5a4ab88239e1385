"""The processes of a development trust domain: started with a log each, waited for, and ended with all that came of them."""

import ctypes
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import typer

from cli.launch import signals
from cli.launch.child import Program, fork_waiting
from cli.launch.supervise import reaped
from cli.programs import python_module
from remit.errors import RemitError

_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)
_POLL_SECONDS = 0.01
_START_SECONDS = 30.0
_TOLD_LINES = 15


class StartError(RemitError):
    """The issuer or the sidecar did not start, or ended early; `detail` holds the end of its log."""

    default_code = "internal"


@dataclass(frozen=True, slots=True)
class Process:
    """One of our own programs, running.

    Attributes:
        name: what people call it.
        pid: its process id.
        log: where its stdout and stderr go.
        announcement: a pipe on which it tells that it serves.
    """

    name: str
    pid: int
    log: Path
    announcement: int

    @classmethod
    def start(
        cls, name: str, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> "Process":
        """Start one of our packages; it dies with this process, and tells on `--ready-fd` when it serves."""
        announcement, tell = os.pipe()
        os.set_inheritable(tell, True)
        command = python_module(module, "--ready-fd", str(tell), *arguments)
        with log.open("ab") as output:
            child = fork_waiting(Program(command[0], tuple(command), environment), output=output.fileno())
        os.close(tell)
        child.release()
        os.set_blocking(announcement, False)
        return cls(name, child.pid, log, announcement)

    def has_announced(self) -> bool:
        """Whether it serves; asked until it does, not after."""
        try:
            said = os.read(self.announcement, 4096)
        except BlockingIOError:
            return False
        if said:
            os.close(self.announcement)
        return bool(said)

    def exit_code(self) -> int | None:
        """Its exit code, or None while it runs; may be asked until it has ended, not after."""
        return reaped(self.pid)

    def raise_if_ended(self) -> None:
        """Raise StartError, with the end of the log, when the process has ended."""
        code = self.exit_code()
        if code is not None:
            raise StartError(f"{self.name} ended with exit code {code}: {self.last_words()}")

    def last_words(self) -> str:
        """The end of its log."""
        lines = self.log.read_text("utf-8", errors="replace").splitlines()
        return " | ".join(lines[-_TOLD_LINES:]) or "it said nothing"


def wait_until(ready: Callable[[], bool], processes: Sequence[Process], what: str) -> None:
    """Wait for `ready`, as long as the processes live.

    Raises:
        StartError: a process ended, or half a minute passed.
        typer.Exit: somebody wants this to end.
    """
    deadline = time.monotonic() + _START_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            words = " | ".join(process.last_words() for process in processes)
            raise StartError(f"{what} is not ready after {_START_SECONDS:.0f} s: {words}")
        event = signals.next_event(_POLL_SECONDS)
        if event is not None and event.number is not signal.SIGCHLD:
            raise typer.Exit(128 + (signal.SIGINT if event.number == signal.SIGRTMIN else event.number))
        for process in processes:
            process.raise_if_ended()


def adopt_orphans() -> None:
    """From now on descendants whose parent dies become children of this process (prctl(2)), so that none gets away."""
    if _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def end_descendants(grace_seconds: float, expendable: Sequence[int] = ()) -> None:
    """End every descendant of this process.

    Args:
        grace_seconds: how long they have after SIGTERM; 0 is SIGKILL at once.
        expendable: pids that get no grace, having nothing to save.
    """
    deadline = time.monotonic() + grace_seconds
    found = descendants()
    _signal_all([pid for pid in found if pid in expendable], signal.SIGKILL)
    _signal_all([pid for pid in found if pid not in expendable], signal.SIGTERM)
    while left := _reap_and_list():
        if time.monotonic() >= deadline:
            _signal_all(left, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def descendants() -> list[int]:
    """The pids of all descendants of this process, zombies included."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - thousands of names, no paths needed
        if entry.isdigit() and (parent := _parent_of(entry)) is not None:
            children.setdefault(parent, []).append(int(entry))
    found: list[int] = []
    todo = [os.getpid()]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def _parent_of(pid: str) -> int | None:
    try:
        stat = Path("/proc", pid, "stat").read_bytes()
    except OSError:
        return None
    return int(stat[stat.rindex(b")") + 1 :].split()[1])


def _reap_and_list() -> list[int]:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return descendants()


def _signal_all(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
