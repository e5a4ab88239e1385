"""A hold on the process at the other end of a Unix socket, safe against reuse of its pid and against `execve`.

The order matters, and each step closes a gap:

1. `SO_PEERPIDFD` names the process that connected, even if it has ended since; `SO_PEERCRED` gives its pid and uid.
2. `/proc/PID` is opened as a directory handle (`O_PATH`), and its `stat` for reading.
3. The pidfd is polled: if the process still runs *now*, its pid was not reused between 1 and 2, so both are its own.
4. Before each answer `recheck` reads `stat` again through the held handle: after death that is ESRCH, whatever lives
   under the pid by then. `execve` keeps pid, pidfd and start time; the addresses it draws anew give it away.

Kernels before 6.5 lack `SO_PEERPIDFD`: step 1 then falls back to `pidfd_open`, which leaves a gap between connect and
accept for a process of the same uid.
"""

import contextlib
import errno
import hashlib
import os
import select
import socket
import struct
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from attestors.errors import ProcessRefusedError
from attestors.procfs import ProcessStat, image_of, overflow_uid, parse_stat
from remit.errors import UnavailableError

_SO_PEERPIDFD = 77  # asm-generic/socket.h; the socket module has no name for it yet
_CREDENTIALS = struct.Struct("iII")  # struct ucred
_STAT_BYTES = 4096
_FILE_BYTES = 1 << 16

PROC = Path("/proc")


class PeerSocket(Protocol):
    """What is needed of a connected Unix socket; asyncio's `TransportSocket` has it too."""

    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes:
        """As `socket.socket.getsockopt` with a buffer length."""


def peer_ids(connection: PeerSocket) -> tuple[int, int]:
    """The pid and effective uid of who connected, as of then (`SO_PEERCRED`, unix(7)); pid 0 in another pid namespace."""
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid


class ProcessHandle:
    """One process, held by pidfd and by its `/proc` directory. Close it when its connection ends.

    Attributes:
        pid: its pid in the sidecar's pid namespace.
        uid: its effective uid when the handle was opened.
        pidfd: becomes readable when the process ends (for `loop.add_reader`).
    """

    __slots__ = ("_arguments", "_directory", "_image", "_start_time", "_stat", "pid", "pidfd", "uid")

    def __init__(self, pid: int, uid: int | None, pidfd: int) -> None:
        """Take ownership of `pidfd`; use `of_peer` or `of_pid`."""
        self.pid = pid
        self.pidfd = pidfd
        self._directory = self._stat = -1
        try:
            self._open(uid)
        except BaseException:
            self.close()
            raise

    @classmethod
    def of_peer(cls, connection: PeerSocket) -> Self:
        """Hold the process that connected `connection`.

        Raises:
            ProcessRefusedError: it has ended, is outside this pid or user namespace, or /proc does not show it.
            UnavailableError: there are no descriptors left to hold it with.
        """
        pid, uid = peer_ids(connection)
        if pid <= 0:
            raise ProcessRefusedError(
                "the caller is in another pid namespace, so the kernel does not name it",
                hint="run the sidecar in the host's pid namespace",
            )
        return cls(pid, uid, _peer_pidfd(connection, pid))

    @classmethod
    def of_pid(cls, pid: int) -> Self:
        """Hold the process that has `pid` now; for processes named by a caller who is held itself (its parent).

        Raises:
            ProcessRefusedError: there is none.
        """
        if pid <= 0:
            raise ProcessRefusedError(f"pid {pid} names no process")
        return cls(pid, None, _pidfd_open(pid))

    def _open(self, uid: int | None) -> None:
        try:
            self._directory = os.open(PROC / str(self.pid), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self._stat = os.open("stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._directory)
            self.uid = os.fstat(self._directory).st_uid if uid is None else uid
            nobody = _overflow_uid()
        except OSError as error:
            raise _gone(self.pid, error) from error
        content = self._read_stat()
        first = parse_stat(content)
        self._start_time, self._image = first.start_time, image_of(content)
        self._arguments = None if first.shows_addresses else self._arguments_digest()
        if self._has_ended():
            raise ProcessRefusedError(f"process {self.pid} has ended")
        if self.uid == nobody:
            raise ProcessRefusedError(
                "the caller's uid is not mapped in the sidecar's user namespace",
                hint="run the sidecar in the host's user namespace; uid 65534 (nobody) never counts as an identity",
            )
        self.recheck()

    @property
    def identity(self) -> tuple[int, int]:
        """`(pid, start time)`: names this process among all since boot, whatever program it runs."""
        return self.pid, self._start_time

    def stat(self) -> ProcessStat:
        """Read `stat` anew. Raises `ProcessRefusedError` when the process has ended."""
        stat = parse_stat(self._read_stat())
        if not stat.alive:
            raise ProcessRefusedError(f"process {self.pid} has ended")
        return stat

    def recheck(self) -> None:
        """Make sure that the process lives, runs the same program image and has the same uid; about ten microseconds.

        Raises:
            ProcessRefusedError: it ended, executed another program (or the same one again), or changed its uid.
        """
        image = image_of(self._read_stat())
        if image is None:
            raise ProcessRefusedError(f"process {self.pid} has ended")
        if image != self._image or (self._arguments is not None and self._arguments != self._arguments_digest()):
            raise ProcessRefusedError(
                f"process {self.pid} has executed another program since it connected", hint="connect again"
            )
        # The owner of /proc/PID is the effective uid, whether the process is dumpable or not.
        if os.fstat(self._directory).st_uid != self.uid:
            raise ProcessRefusedError(
                f"process {self.pid} has changed its uid since it connected", hint="connect again"
            )

    def read(self, name: str) -> bytes:
        """Read one small file of the process's `/proc` directory, at most 64 KiB.

        Raises:
            ProcessRefusedError: the process has ended.
            PermissionError: the kernel does not show it to the sidecar.
        """
        try:
            with os.fdopen(self.open(name), "rb") as file:
                return file.read(_FILE_BYTES)
        except (ProcessLookupError, FileNotFoundError) as error:
            raise _gone(self.pid, error) from error

    def open(self, name: str, flags: int = os.O_RDONLY) -> int:
        """Open one file of the process's `/proc` directory, for reading; the caller closes the descriptor.

        Raises:
            UnavailableError: there are no descriptors left.
            OSError: the kernel does not show it, or the process has ended.
        """
        try:
            return os.open(name, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=self._directory)
        except OSError as error:
            if (unavailable := exhausted(error)) is not None:
                raise unavailable from error
            raise

    def link(self, name: str) -> str:
        """Read one symbolic link of the process's `/proc` directory; errors as `read`."""
        try:
            return os.readlink(name, dir_fd=self._directory)
        except (ProcessLookupError, FileNotFoundError) as error:
            raise _gone(self.pid, error) from error

    def close(self) -> None:
        """Let the process go. Closing twice does nothing."""
        held = (self.pidfd, self._directory, self._stat)
        self.pidfd = self._directory = self._stat = -1
        for descriptor in held:
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_stat(self) -> bytes:
        try:
            return os.pread(self._stat, _STAT_BYTES, 0)
        except OSError as error:
            raise _gone(self.pid, error) from error

    def _has_ended(self) -> bool:
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(0))

    def _arguments_digest(self) -> bytes:
        """Stands in for the addresses where the kernel hides them."""
        return hashlib.sha256(self.read("cmdline")).digest()


@cache
def _overflow_uid() -> int:
    return overflow_uid((PROC / "sys/kernel/overflowuid").read_bytes())


def _peer_pidfd(connection: PeerSocket, pid: int) -> int:
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD, 4)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            raise _gone(pid, error) from error
        return _pidfd_open(pid)
    return int.from_bytes(raw, "little" if struct.pack("=i", 1)[0] else "big", signed=True)


def _pidfd_open(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        raise _gone(pid, error) from error


def exhausted(error: OSError) -> UnavailableError | None:
    """What an `OSError` means that is not about the process: this process or the system has no descriptors left."""
    if error.errno not in (errno.EMFILE, errno.ENFILE):
        return None
    return UnavailableError(
        "the sidecar has no file descriptors left", code="overloaded", hint="try again with a backoff"
    )


def _gone(pid: int, error: OSError) -> ProcessRefusedError | UnavailableError:
    if (unavailable := exhausted(error)) is not None:
        return unavailable
    if error.errno in (errno.EACCES, errno.EPERM):
        return ProcessRefusedError(
            f"the kernel does not show process {pid} to the sidecar",
            hint="run the sidecar as root, as the workload's user, or with CAP_SYS_PTRACE; look at the hidepid of /proc",
        )
    return ProcessRefusedError(f"process {pid} has ended")
