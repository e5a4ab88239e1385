"""The state folder: the sidecar's P-256 key, what it joined as, the tasks to end, and the keys of agents that it holds.

Mode 0700, files 0600, one sidecar at a time.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from remit.errors import ConfigurationError
from sidecar.key_records import KeyRecord
from sidecar.locks import hold
from sidecar.task_records import TaskRecord

_MEMBERSHIP = "membership.json"
_TASKS = "tasks.json"


class Membership(Struct, frozen=True, forbid_unknown_fields=True):
    """What the sidecar joined as.

    Attributes:
        issuer: the issuer's URL.
        sidecar: its name.
        spiffe_id: its SPIFFE ID.
        trust_domain: the issuer's trust domain.
    """

    issuer: str
    sidecar: str
    spiffe_id: str
    trust_domain: str


class StateDir:
    """The folder, locked for this process."""

    def __init__(self, path: Path, lock: int) -> None:
        self._path = path
        self._lock = lock

    @classmethod
    def open(cls, path: Path) -> Self:
        """Make the folder if need be, close it to others, and lock it.

        Raises:
            ConfigurationError: it cannot be made, belongs to somebody else, or another sidecar uses it.
        """
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.stat().st_uid != os.geteuid():
                raise ConfigurationError(f"state_dir {str(path)!r} belongs to another user", hint="chown it")
            path.chmod(0o700)
            return cls(path, hold(path / "lock"))
        except BlockingIOError as error:
            raise ConfigurationError(
                f"another sidecar uses state_dir {str(path)!r}", hint="give each sidecar its own"
            ) from error
        except OSError as error:
            raise ConfigurationError(f"state_dir {str(path)!r} cannot be used: {error.strerror}") from error

    def key(self) -> ec.EllipticCurvePrivateKey:
        """The sidecar's key; made the first time.

        Raises:
            ConfigurationError: the file is not a P-256 key, or others may read it.
        """
        path = self._path / "key.pem"
        if not path.exists():
            self._write("key.pem", _encode(ec.generate_private_key(ec.SECP256R1())))
        _require_private(path)
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError, OSError) as error:
            raise ConfigurationError(f"{str(path)!r} is not a private key") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ConfigurationError(f"{str(path)!r} is not a P-256 key")
        return key

    def membership(self) -> Membership | None:
        """What the sidecar joined as, or None before it joined.

        Raises:
            ConfigurationError: the file does not parse.
        """
        path = self._path / _MEMBERSHIP
        try:
            return msgspec.json.decode(path.read_bytes(), type=Membership)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise ConfigurationError(f"{str(path)!r} cannot be read", hint="remove it and join again") from error

    def remember(self, membership: Membership) -> None:
        """Keep what the sidecar joined as."""
        self._write(_MEMBERSHIP, msgspec.json.encode(membership))

    def tasks(self) -> list[TaskRecord]:
        """The launched processes whose tasks are not known to be complete.

        Raises:
            ConfigurationError: the file does not parse.
        """
        path = self._path / _TASKS
        try:
            return msgspec.json.decode(path.read_bytes(), type=list[TaskRecord])
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError) as error:
            hint = "remove it, and complete its tasks with `remit task complete`"
            raise ConfigurationError(f"{str(path)!r} cannot be read", hint=hint) from error

    def remember_tasks(self, records: Sequence[TaskRecord]) -> None:
        """Keep them in place of those that were kept."""
        self._write(_TASKS, msgspec.json.encode(records))

    def agent_keys(self) -> list[KeyRecord]:
        """The keys that are held for agents.

        Raises:
            ConfigurationError: a file is damaged, or others may read it.
        """
        paths = sorted(self._path.glob("agent-*.json"))
        for path in paths:
            _require_private(path)
        return [KeyRecord.decode(path.read_bytes()) for path in paths]

    def remember_agent_key(self, record: KeyRecord) -> None:
        """Keep the keys of one agent in place of those that were kept."""
        self._write(record.file_name, msgspec.json.encode(record))

    def close(self) -> None:
        """Unlock the folder."""
        os.close(self._lock)

    def _write(self, name: str, content: bytes) -> None:
        """Durable and whole: a crash leaves the old file or the new one."""
        temporary = self._path / f".{name}.new"
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(self._path / name)
        directory = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _require_private(path: Path) -> None:
    if path.stat().st_mode & 0o077:
        raise ConfigurationError(f"{str(path)!r} may be read by others", hint=f"chmod 600 {path}")


def has_joined(path: Path) -> bool:
    """Whether the sidecar whose state folder is `path` has joined before."""
    return (path / _MEMBERSHIP).exists()


def _encode(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
