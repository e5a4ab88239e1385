"""Opening files with another user's rights: what the sidecar may read is not lent to those who ask it to look.

Credentials belong to threads (credentials(7)); the C library's wrappers change them for all threads, so the system calls are
made directly, in a thread that lives for one piece of work. There the kernel itself judges modes, ACLs and every folder.
"""

import ctypes
import os
import platform
import threading
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from attestors.handle import ProcessHandle
from attestors.procfs import parse_status

_SYS_SETGROUPS = {"x86_64": 116, "aarch64": 159, "riscv64": 159, "ppc64le": 81, "s390x": 206}
_CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h
_UNCHANGED = 0xFFFFFFFF  # as an id: change nothing, and answer what is set

_libc = ctypes.CDLL(None, use_errno=True)
_libc.setfsuid.restype = _libc.setfsgid.restype = ctypes.c_uint32

T = TypeVar("T")


class FileRights(Struct, frozen=True):
    """The ids by which the kernel judges who may open a file.

    Attributes:
        uid, gid: the file-system ids.
        groups: the supplementary groups.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]

    @classmethod
    def of_process(cls, process: ProcessHandle) -> "FileRights":
        """Those of a held process. Raises `ProcessRefusedError` when it has ended."""
        credentials = parse_status(process.read("status"))
        return cls(process.uid, credentials.gids[1], credentials.groups)


def with_rights(rights: FileRights, work: Callable[[bool], T]) -> T:
    """Do `work` in a thread that has `rights` and no capability; return or raise what it does.

    `work` is told whether the rights could be taken. If not, because the sidecar is neither root, nor that very user, nor has
    CAP_SETUID and CAP_SETGID, the thread has the sidecar's own ids, still without capabilities. For uid 0, which
    may read everything, `work` is done as it is.
    """
    if rights.uid == 0:
        return work(True)
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            taken = _take(rights)
            _drop_capabilities()
            outcome.append(work(taken))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def _take(rights: FileRights) -> bool:
    """Take on the ids, groups first: once the uid is another, the right to change them is gone."""
    if rights.uid == os.geteuid() and {os.getegid(), *os.getgroups()} <= {rights.gid, *rights.groups}:
        return True  # nothing would be lent
    number = _SYS_SETGROUPS.get(platform.machine())
    groups = (ctypes.c_uint32 * len(rights.groups))(*rights.groups)
    if number is None or _libc.syscall(number, ctypes.c_size_t(len(rights.groups)), groups) != 0:
        return False
    _libc.setfsgid(ctypes.c_uint32(rights.gid))
    _libc.setfsuid(ctypes.c_uint32(rights.uid))
    set_to = _libc.setfsuid(ctypes.c_uint32(_UNCHANGED)), _libc.setfsgid(ctypes.c_uint32(_UNCHANGED))
    return set_to == (rights.uid, rights.gid)


def _drop_capabilities() -> None:
    """Give up every capability of this thread (capset(2)): they would overrule the modes of files."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    if _libc.capset(header, (ctypes.c_uint32 * 6)()) != 0:
        raise OSError(ctypes.get_errno(), "capset failed")
