"""Unix sockets that agents of every uid may connect to, taken over only from the dead.

A socket file outlives its process. A dead one is replaced, a live one never: the claim is held with a lock beside the
socket, because "connect failed, so unlink" alone lets two sidecars that start together both win.

Agents trust whoever serves at the path: so nobody but root and the sidecar's own user may put something else there. Sticky or
not, a folder that others write to is refused: they could take the name while the sidecar is down.
"""

import contextlib
import os
import socket
import stat
from pathlib import Path
from typing import Self

from remit.errors import ConfigurationError
from sidecar.locks import hold

_DIRECTORY_MODE = 0o755
_SOCKET_MODE = 0o666
BACKLOG = 512
"""How many callers may wait to be accepted."""


class ServedSocket:
    """A listening Unix socket that this process owns until `close`.

    Attributes:
        path: where it is.
        socket: listening, non-blocking.
    """

    def __init__(self, path: Path, listening: socket.socket, lock: int) -> None:
        self.path = path
        self.socket = listening
        self._lock = lock
        self._inode = path.stat().st_ino

    @classmethod
    def claim(cls, path: Path) -> Self:
        """Listen at `path`, replacing the socket of a process that has ended.

        Raises:
            ConfigurationError: the folder cannot be used, another sidecar serves there, or it is not a socket.
        """
        _prepare_directory(path.parent)
        lock = _lock(path)
        try:
            _remove_dead(path)
            listening = _listen(path)
        except BaseException:
            os.close(lock)
            raise
        return cls(path, listening, lock)

    def close(self) -> None:
        """Stop listening and remove the file, if it is still ours."""
        self.socket.close()
        with contextlib.suppress(OSError):
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()
        os.close(self._lock)


def _prepare_directory(directory: Path) -> None:
    try:
        if not directory.is_dir():
            directory.mkdir(parents=True)
            directory.chmod(_DIRECTORY_MODE)  # mkdir's mode is subject to the umask
        facts = directory.stat()
    except OSError as error:
        raise ConfigurationError(f"socket_dir {str(directory)!r} cannot be made: {error.strerror}") from error
    _check_ours(directory, facts, stat.S_IWGRP | stat.S_IWOTH)
    for parent in directory.resolve().parents:
        facts = parent.stat()
        # Where each user has a group of their own, folders that the group may write to are what mkdir makes.
        _check_ours(parent, facts, 0 if facts.st_mode & stat.S_ISVTX else stat.S_IWOTH)


def _check_ours(directory: Path, facts: os.stat_result, forbidden: int) -> None:
    """Only root and this process's user may replace what is in `directory`."""
    if facts.st_uid not in (0, os.geteuid()):
        raise ConfigurationError(
            f"folder {str(directory)!r} of the sockets belongs to uid {facts.st_uid}: it could put other sockets there",
            hint="it has to belong to root or to the sidecar's user",
        )
    if facts.st_mode & forbidden:
        raise ConfigurationError(
            f"folder {str(directory)!r} of the sockets may be written by other users: they could put other sockets there",
            hint=f"chmod go-w {directory}",
        )


def _lock(path: Path) -> int:
    try:
        return hold(Path(f"{path}.lock"))
    except BlockingIOError as error:
        raise _in_use(path) from error
    except OSError as error:
        raise ConfigurationError(f"socket {str(path)!r} cannot be locked: {error.strerror}") from error


def _remove_dead(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise ConfigurationError(f"{str(path)!r} exists and is not a socket", hint="move it away")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(str(path))
            except (ConnectionRefusedError, FileNotFoundError):
                path.unlink(missing_ok=True)
                return
            except OSError as error:
                raise _in_use(path) from error
        raise _in_use(path)


def _listen(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listening.bind(str(path))
        path.chmod(_SOCKET_MODE)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ConfigurationError(f"socket {str(path)!r} cannot be served: {error.strerror}") from error
    return listening


def _in_use(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"another process serves {str(path)!r}", hint="stop it, or give this sidecar another --socket-dir"
    )
