"""Files by the paths that another process knows them by: its root and its mounts, not the sidecar's.

`/proc/PID/root` leads there, but an absolute symbolic link below it leads back to the sidecar's own root. openat2(2) with
`RESOLVE_IN_ROOT` resolves every link inside.
"""

import ctypes
import errno
import hashlib
import os
import stat

from msgspec import Struct

from attestors.errors import ProcessRefusedError
from attestors.handle import ProcessHandle

_SYS_OPENAT2 = 437  # the same on every architecture (asm-generic/unistd.h)
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10
_MAX_SCRIPT_BYTES = 64 << 20

_libc = ctypes.CDLL(None, use_errno=True)


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


def version_of(handle: ProcessHandle, path: str) -> FileVersion:
    """Which file `path` names for that process now. Errors as `open_in_root`."""
    descriptor = open_in_root(handle, path, os.O_PATH)
    try:
        return _version(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def read_script(handle: ProcessHandle, path: str) -> Script:
    """Hash the script that `path` names for that process; call it off the event loop.

    Raises:
        ProcessRefusedError: as `open_in_root`, or no regular file of at most 64 MiB, or written to meanwhile.
    """
    descriptor = open_in_root(handle, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _MAX_SCRIPT_BYTES:
            raise ProcessRefusedError("the script is not a regular file of at most 64 MiB")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if _version(os.fstat(descriptor)) != _version(facts):
            raise ProcessRefusedError("the script was written to while it was read", hint="launch it again")
    finally:
        os.close(descriptor)
    return Script(digest, _version(facts))


def open_in_root(handle: ProcessHandle, path: str, flags: int) -> int:
    """Open `path` as that process would; the caller closes the descriptor.

    Raises:
        ProcessRefusedError: there is no such file, or the kernel does not let the sidecar look.
    """
    try:
        root = handle.open("root")
    except PermissionError as error:
        raise ProcessRefusedError(
            f"the kernel does not show the files of process {handle.pid} to the sidecar",
            hint="run the sidecar as root or with CAP_SYS_PTRACE",
        ) from error
    try:
        how = _OpenHow(flags | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
        found = _libc.syscall(_SYS_OPENAT2, root, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
    finally:
        os.close(root)
    if found < 0:
        name = errno.errorcode.get(ctypes.get_errno(), "error")
        raise ProcessRefusedError(f"{path!r} cannot be opened as process {handle.pid} sees it ({name})")
    return int(found)


def _version(facts: os.stat_result) -> FileVersion:
    return FileVersion(facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
