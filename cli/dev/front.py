"""Two processes watch each other, so that nothing is left behind whichever of them is killed, even with SIGKILL.

    front        the process that was started: relays signals, passes the exit code on
    supervisor   its child, in a process group of its own: runs the issuer, the sidecar and CMD

Both adopt orphans (PR_SET_CHILD_SUBREAPER). If the front dies, the kernel tells the supervisor (PR_SET_PDEATHSIG), which ends
everything and removes the folder; if the supervisor dies, the kernel ends its children, and the front does the rest. CMD is
in the front's process group, so it has the terminal; the supervisor is not, so a signal to the group never takes both.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.dev.processes import adopt_orphans, end_descendants
from cli.launch import signals
from cli.launch.child import die_with_parent
from cli.launch.supervise import reaped

_PREFIX = "remit-dev-"
_LONGEST = 80
"""Bytes of a folder's path that leave room for a socket's name in it (108 in all, unix(7))."""
_LEFTOVERS_GRACE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Front:
    """The process that was started, seen from the supervisor.

    Attributes:
        pid: its process id.
        process_group: the group that has the terminal.
        folder: the temporary folder of this trust domain.
    """

    pid: int
    process_group: int
    folder: Path

    def is_gone(self) -> bool:
        """Whether it has died."""
        return os.getppid() != self.pid


def stand_in_front() -> Front:
    """Fork; the parent becomes the front and never returns, the child returns as the supervisor."""
    signals.block()
    front = Front(os.getpid(), os.getpgrp(), _make_folder())
    adopt_orphans()
    pid = os.fork()
    if pid:
        os._exit(_relay_and_clean(pid, front.folder))
    os.setpgid(0, 0)
    die_with_parent(front.pid, signal.SIGTERM)
    adopt_orphans()
    return front


@contextmanager
def cleaned_up(front: Front) -> Iterator[list[int]]:
    """In the supervisor: whatever happens, end every descendant and remove the folder.

    Yields:
        A list for the pids of those that need no grace.
    """
    expendable: list[int] = []
    try:
        yield expendable
    finally:
        end_descendants(0 if front.is_gone() else _LEFTOVERS_GRACE_SECONDS, expendable)
        shutil.rmtree(front.folder, ignore_errors=True)


def _relay_and_clean(supervisor: int, folder: Path) -> int:
    code = _relay(supervisor)
    end_descendants(0)
    shutil.rmtree(folder, ignore_errors=True)
    return code


def _relay(supervisor: int) -> int:
    """Pass signals on until the supervisor ends; SIGRTMIN stands for an interrupt that CMD got from the terminal itself."""
    while True:
        event = signals.next_event()
        if event is None or event.number is signal.SIGCHLD:
            code = reaped(supervisor)
            if code is not None:
                return code
        elif event.from_terminal and event.number in {signal.SIGINT, signal.SIGQUIT}:
            os.kill(supervisor, signal.SIGRTMIN)
        else:
            os.kill(supervisor, event.number)


def _make_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    if len(os.fsencode(folder)) > _LONGEST:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp"))
    return folder
