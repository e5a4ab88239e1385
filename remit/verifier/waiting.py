"""Waiting for what comes first: bytes on a socket, a call from another thread, or the end of a time."""

import os
import select
import threading


class Waker:
    """Lets other threads end the wait of one. A forked child makes its own: this one is its parent's too."""

    def __init__(self) -> None:
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._open = True

    def wake(self) -> None:
        """End the wait that is going on, or else the next one."""
        with self._lock:
            if self._open:
                os.eventfd_write(self._event, 1)

    def wait(self, seconds: float, readable: int | None = None) -> None:
        """Wait for at most `seconds`, until `wake` was called or the file descriptor `readable` is."""
        poll = select.poll()
        poll.register(self._event, select.POLLIN)
        if readable is not None:
            poll.register(readable, select.POLLIN)
        ready = poll.poll(max(0.0, seconds) * 1000)
        if any(descriptor == self._event for descriptor, _ in ready):
            os.eventfd_read(self._event)

    def close(self) -> None:
        """Free it; `wake` does nothing from now on."""
        with self._lock:
            if self._open:
                self._open = False
                os.close(self._event)
