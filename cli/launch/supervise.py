"""Standing in for a launched program: pass signals on, wait for it, return its exit code."""

import os
import signal

from cli.launch import signals


def supervise(pid: int) -> int:
    """Wait for the child `pid`, passing on what was sent to us alone.

    Returns:
        Its exit code; 128 + n when signal n ended it.
    """
    while True:
        event = signals.next_event()
        if event is None or event.number is signal.SIGCHLD:
            code = reaped(pid)
            if code is not None:
                return code
        elif not event.from_terminal:
            os.kill(pid, event.number)


def reaped(pid: int) -> int | None:
    """The exit code of the child `pid`, or None while it runs."""
    found, status = os.waitpid(pid, os.WNOHANG)
    return exit_code(status) if found else None


def exit_code(status: int) -> int:
    """A wait status as a shell would return it: the exit code, or 128 + n for signal n."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
