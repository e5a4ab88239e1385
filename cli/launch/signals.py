"""Signals as events: blocked, and taken one at a time with their origin, so that none is lost and none is sent twice.

Ctrl-C reaches every process of the terminal's foreground group, the launched program too, and comes from the kernel; what
others send with kill(2) reaches only us, and is passed on.
"""

import signal
from dataclasses import dataclass

WATCHED = frozenset(
    {
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGCHLD,
        signal.SIGRTMIN,
    }
)

_SI_KERNEL = 0x80  # siginfo.h


@dataclass(frozen=True, slots=True)
class Event:
    """A signal that arrived.

    Attributes:
        number: which one.
        from_terminal: the kernel sent it to the whole foreground group.
    """

    number: signal.Signals
    from_terminal: bool


def block() -> None:
    """From now on, keep the watched signals until `next_event` takes them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)


def next_event(timeout_seconds: float | None = None) -> Event | None:
    """The next signal; None when none came within the timeout."""
    if timeout_seconds is None:
        info = signal.sigwaitinfo(WATCHED)
    else:
        found = signal.sigtimedwait(WATCHED, max(0.0, timeout_seconds))
        if found is None:
            return None
        info = found
    return Event(signal.Signals(info.si_signo), info.si_code == _SI_KERNEL)
