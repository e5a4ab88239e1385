"""A child process that waits before it becomes the program, so that it can be registered by its pid first.

fork; the child blocks on a pipe (the gate); the parent registers the pid; `release` opens the gate; the child execs. Whether
exec succeeded comes back through a second pipe that is closed by exec itself (O_CLOEXEC): end of file means yes.
"""

import ctypes
import errno
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from remit.errors import RemitError

NOT_FOUND = 127
NOT_EXECUTABLE = 126

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


class LaunchError(RemitError):
    """The program could not be started; `exit_code` is what a shell would return."""

    default_code = "launch_failed"

    def __init__(self, program: str, number: int) -> None:
        super().__init__(f"cannot run {program}: {os.strerror(number).lower()}", hint="check the command after `--`")
        self.exit_code = NOT_FOUND if number == errno.ENOENT else NOT_EXECUTABLE


@dataclass(frozen=True, slots=True)
class Program:
    """What to run.

    Attributes:
        executable: absolute path of the file to exec.
        arguments: argv, `argv[0]` included.
        environment: its whole environment.
        script: absolute path of the entry script when `executable` is an interpreter, else None.
    """

    executable: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    script: str | None = None


@dataclass(frozen=True, slots=True)
class WaitingChild:
    """A forked child that has not become its program yet."""

    pid: int
    program: Program
    _gate: int
    _outcome: int

    def release(self) -> None:
        """Let it become the program, and return once it has.

        Raises:
            LaunchError: exec failed; the child is gone.
        """
        os.write(self._gate, b"\0")
        os.close(self._gate)
        with os.fdopen(self._outcome, "rb") as outcome:
            failure = outcome.read()
        if failure:
            os.waitpid(self.pid, 0)
            raise LaunchError(self.program.executable, int(failure))

    def abandon(self) -> None:
        """Give up on it: it ends without having run anything."""
        os.close(self._gate)
        os.close(self._outcome)
        os.waitpid(self.pid, 0)


def fork_waiting(program: Program, *, process_group: int | None = None, output: int | None = None) -> WaitingChild:
    """Fork a child that waits to become `program`, and dies (SIGKILL) when this process dies.

    Args:
        program: what it will run.
        process_group: the group to put it in; that of this process when None.
        output: a descriptor for its stdout and stderr, with stdin closed to it; inherited when None.
    """
    gate, opened = os.pipe()
    outcome, failed = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(opened)
        _become(program, parent, gate, failed, process_group=process_group, output=output)
    os.close(gate)
    os.close(failed)
    return WaitingChild(pid, program, opened, outcome)


def die_with_parent(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send `number` to this process when its parent dies (prctl(2)); exit if that has happened already."""
    if _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(NOT_EXECUTABLE)


def _become(
    program: Program, parent: int, gate: int, failed: int, *, process_group: int | None, output: int | None
) -> NoReturn:
    """In the child: exec, or tell the parent why not; never returns into the caller's frames."""
    try:
        die_with_parent(parent)
        _settle(process_group, output)
        if os.read(gate, 1):
            os.execve(program.executable, program.arguments, dict(program.environment))  # noqa: S606 - no shell is meant
    except OSError as error:
        os.write(failed, str(error.errno).encode())
    finally:
        os._exit(NOT_EXECUTABLE)


def _settle(process_group: int | None, output: int | None) -> None:
    """Give the child the signal state, group and descriptors of a fresh program."""
    if process_group is not None:
        os.setpgid(0, process_group)
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if output is not None:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
