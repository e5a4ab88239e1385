"""The program that a process runs: its path and the SHA-256 of its bytes, read through `/proc/PID/exe`.

`/proc/PID/exe` opens the very inode that runs, whatever its path says by now. The path is a fact only if it names that
inode here too: in another mount namespace anybody may mount anything at `/usr/bin/agent`.
"""

import contextlib
import hashlib
import os
import stat
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from cachetools import LRUCache

from attestors.errors import ProcessRefusedError
from attestors.handle import ProcessHandle

_DELETED = " (deleted)"
_MAX_BYTES = 512 << 20
# Two writes within one tick of the kernel's clock leave the same ctime, so a file as young as that is not remembered.
_SETTLED_SECONDS = 2

_FileVersion = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Executable:
    """A program file.

    Attributes:
        path: absolute, or None where it names something else (or nothing) in the sidecar's mount namespace.
        sha256: of its bytes, lower-case hex.
    """

    path: str | None
    sha256: str


class ExecutableReader:
    """Reads programs, and remembers the digests of the last `capacity` file versions. Safe to use from threads."""

    def __init__(self, capacity: int = 256) -> None:
        self._digests: LRUCache[_FileVersion, str] = LRUCache(capacity)
        self._lock = threading.Lock()

    def read(self, handle: ProcessHandle) -> Executable | None:
        """Identify what the process runs; None where the kernel does not show it to the sidecar (no ptrace right).

        A file that was not seen before is hashed here: up to a second; call it off the event loop.

        Raises:
            ProcessRefusedError: the file was deleted or replaced since it was started, or is no regular file of at most 512 MiB.
        """
        try:
            path = handle.link("exe")
            descriptor = handle.open("exe")
        except PermissionError:
            return None
        try:
            facts = os.fstat(descriptor)
            if facts.st_nlink == 0 or path.endswith(_DELETED):
                raise ProcessRefusedError(
                    "the executable was deleted or replaced after it was started", hint="restart the workload"
                )
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > _MAX_BYTES:
                raise ProcessRefusedError("the executable is not a regular file of at most 512 MiB")
            digest = self._digest(descriptor, facts)
        finally:
            os.close(descriptor)
        return Executable(path if _names(path, facts) else None, digest)

    def _digest(self, descriptor: int, facts: os.stat_result) -> str:
        version = _version(facts)
        with self._lock:
            known = self._digests.get(version)
        if known is not None:
            return known
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if _version(os.fstat(descriptor)) != version:
            raise ProcessRefusedError("the executable was written to while it was read", hint="try again")
        if time.time() - facts.st_ctime > _SETTLED_SECONDS:
            with self._lock:
                self._digests[version] = digest
        return digest


def _version(facts: os.stat_result) -> _FileVersion:
    """What changes when a file's bytes change: nobody but the clock's owner can set ctime back."""
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def _names(path: str, facts: os.stat_result) -> bool:
    """Whether `path` is that very file in the sidecar's own mount namespace."""
    with contextlib.suppress(OSError, ValueError):
        here = Path(path).stat()
        return path.startswith("/") and (here.st_dev, here.st_ino) == (facts.st_dev, facts.st_ino)
    return False
