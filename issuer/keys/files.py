"""Private keys on disk: one PEM file each, mode 0600, in a folder that only the issuer can open."""

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from issuer.config.checks import check_private
from remit.errors import ConfigurationError
from remit.jose import public_jwk, thumbprint


class KeyFiles:
    """The folder of private keys, one `<kid>.pem` each."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which is made (mode 0700) if it is not there."""
        self._folder = folder

    def create(self) -> tuple[str, ec.EllipticCurvePrivateKey]:
        """Generate a P-256 key, write it durably, and return it with its kid."""
        key = ec.generate_private_key(ec.SECP256R1())
        kid = thumbprint(public_jwk(key))
        encoded = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self._path(kid), encoded)
        return kid, key

    def read(self, kid: str) -> ec.EllipticCurvePrivateKey:
        """Return the private key `kid`.

        Raises:
            ConfigurationError: its file is missing, open to others, damaged, or holds another key.
        """
        path = self._path(kid)
        if not path.exists():
            raise ConfigurationError(
                f"the private half of an active key is missing: {path}",
                code="key_missing",
                hint="restore it from the backup of the data folder",
            )
        check_private(path, "the private key")
        key = _parsed(path)
        if thumbprint(public_jwk(key)) != kid:
            raise ConfigurationError(f"{path} holds another key than its name says", code="key_damaged", hint=_RESTORE)
        return key

    def discard(self, kid: str) -> None:
        """Remove a key for good: one that was created for nothing, or that is tainted; nothing happens if it is not there."""
        try:
            self._path(kid).unlink()
        except FileNotFoundError:
            return
        sync_folder(self._folder)

    def _path(self, kid: str) -> Path:
        return self._folder / f"{kid}.pem"


_RESTORE = "restore the file from the backup of the data folder"


def _parsed(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{path} is not a private key in PEM", code="key_damaged", hint=_RESTORE) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigurationError(f"{path} is not an EC key", code="key_damaged", hint=_RESTORE)
    return key


def write_durably(path: Path, content: bytes) -> None:
    """Write a new file (0600) so that it is there after a crash: its content, then its name."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Let a name that was added to the folder, or removed from it, stay so after a crash."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
