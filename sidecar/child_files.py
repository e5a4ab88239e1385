"""Files by the paths that another process knows them by: its root and its mounts, and no more than its launcher may see.

`/proc/PID/root` leads there, but an absolute symbolic link below it leads back to the sidecar's own root. openat2(2) with
`RESOLVE_IN_ROOT` resolves every link inside. The launcher names the path, so it is opened with the launcher's rights: else the
sidecar would read and find for it what it may not. Whatever is wrong with a file, the refusal is the same.
"""

import ctypes
import hashlib
import os
import stat
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from msgspec import Struct

from attestors.errors import ProcessRefusedError
from attestors.handle import ProcessHandle, exhausted
from sidecar.file_rights import FileRights, with_rights

_SYS_OPENAT2 = 437  # the same on every architecture (asm-generic/unistd.h)
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10
_MAX_SCRIPT_BYTES = 64 << 20

_libc = ctypes.CDLL(None, use_errno=True)

T = TypeVar("T")


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class FileVersion(Struct, frozen=True):
    """What changes when a file is replaced or written to."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


class Script(Struct, frozen=True):
    """A script as its process sees it.

    Attributes:
        sha256: of its bytes, lower-case hex.
        version: the file that was read.
    """

    sha256: str
    version: FileVersion


def version_of(process: ProcessHandle, path: str, rights: FileRights) -> FileVersion:
    """Which file `path` names for that process now, to a launcher with `rights`.

    Raises:
        ProcessRefusedError: none, or the launcher may not get there.
    """
    return _open_with(rights, process, path, lambda found, _taken: _version(os.fstat(found)))


def read_script(process: ProcessHandle, path: str, rights: FileRights) -> Script:
    """Hash the script that `path` names for that process; call it off the event loop.

    Raises:
        ProcessRefusedError: no regular file of at most 64 MiB that a launcher with `rights` may read, or written to meanwhile.
    """
    descriptor = _open_with(rights, process, path, partial(_reopen, path))
    try:
        facts = os.fstat(descriptor)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if _version(os.fstat(descriptor)) != _version(facts):
            raise ProcessRefusedError("the script was written to while it was read", hint="launch it again")
    finally:
        os.close(descriptor)
    return Script(digest, _version(facts))


def _open_with(rights: FileRights, process: ProcessHandle, path: str, use: Callable[[int, bool], T]) -> T:
    """Find `path` below the process's root with those rights; `use` it, still with them, as an `O_PATH` descriptor."""
    root = _root_of(process)

    def find(taken: bool) -> T:
        found = open_in_root(root, path)
        try:
            return use(found, taken)
        finally:
            os.close(found)

    try:
        return with_rights(rights, find)
    except OSError as error:
        raise exhausted(error) or _refusal(path) from error
    finally:
        os.close(root)


def _root_of(process: ProcessHandle) -> int:
    try:
        return process.open("root", os.O_PATH)
    except OSError as error:
        raise ProcessRefusedError(
            f"the kernel does not show the files of process {process.pid} to the sidecar",
            hint="run the sidecar as root or with CAP_SYS_PTRACE",
        ) from error


def open_in_root(root: int, path: str) -> int:
    """Find `path` below the folder `root`, wherever links lead; an `O_PATH` descriptor, which the caller closes.

    Raises:
        OSError: there is none, or this thread may not get there.
    """
    how = _OpenHow(os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    found = _libc.syscall(_SYS_OPENAT2, root, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
    if found < 0:
        raise OSError(ctypes.get_errno(), "openat2 failed")
    return int(found)


def _reopen(path: str, found: int, taken: bool) -> int:
    """Open what was found for reading, if it is a regular file: opening a pipe or a device may have effects."""
    facts = os.fstat(found)
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > _MAX_SCRIPT_BYTES:
        raise _refusal(path)
    # With the sidecar's own ids instead of the launcher's, only what everybody may read is not lent.
    if not taken and (facts.st_uid == os.geteuid() or not facts.st_mode & stat.S_IROTH):
        raise _refusal(path)
    return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)


def _refusal(path: str) -> ProcessRefusedError:
    """One text for all: what is missing, hidden or of another kind must not be told apart by who may not look."""
    return ProcessRefusedError(
        f"{path!r} is not a file of at most 64 MiB that the launcher may read",
        hint="look at its mode and at the folders above; a sidecar that is not root sees what everybody may read",
    )


def _version(facts: os.stat_result) -> FileVersion:
    return FileVersion(facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
