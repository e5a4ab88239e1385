"""A file that one process holds: whoever dies lets go of it, however it dies."""

import fcntl
import os
from pathlib import Path


def hold(path: Path) -> int:
    """Make the file if need be (0600) and hold it; the descriptor, to be closed when it is no longer needed.

    Raises:
        BlockingIOError: another process holds it.
        OSError: it cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
