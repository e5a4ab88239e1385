"""Secrets that every issuer on a database shares, sealed with a key that is not in it.

A copy of the database alone opens none of them: each is sealed (AES-256-GCM, its name as associated data) with the wrapping
key, a file beside the signing keys. Issuers that share a database share this file; whoever has both has the secrets.
"""

import secrets
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from issuer.config.checks import check_private
from issuer.keys.files import write_durably
from issuer.storage import Database, Row, Transaction
from remit.errors import ConfigurationError

SECRET_BYTES: Final = 32
"""The length of a secret, and of the wrapping key."""

_NONCE_BYTES: Final = 12
_RESTORE: Final = "restore it from the backup of the data folder, or copy it from an issuer that shares the database"


class SealedSecrets:
    """The shared secrets, by name; one that is asked for the first time is drawn then, and is the same ever after."""

    def __init__(self, database: Database, path: Path) -> None:
        """Open secrets in `database` with the wrapping key at `path`; nothing is read before `start`."""
        self._database = database
        self._path = path
        self._wrapping: AESGCM | None = None
        self._opened: dict[str, bytes] = {}

    async def start(self) -> None:
        """Load the wrapping key, and open every secret that is there; make the key if nothing was ever sealed.

        Raises:
            ConfigurationError: it is missing, damaged, open to others, or not the one that the secrets were sealed with.
        """
        rows = await self._database.read(_rows)
        if not rows and not self._path.exists():
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(self._path, secrets.token_bytes(SECRET_BYTES))
        self._wrapping = AESGCM(_read(self._path))
        self._opened = {row["name"]: self._open(row["name"], row["sealed"]) for row in rows}

    async def get(self, name: str) -> bytes:
        """The secret `name`, 32 bytes.

        Raises:
            ConfigurationError: another issuer made it under another wrapping key.
            StorageError: the database failed.
        """
        if name not in self._opened:
            sealed = self._seal(name, secrets.token_bytes(SECRET_BYTES))
            now = await self._database.now()
            stored = await self._database.transaction(lambda tx: _keep_first(tx, name, sealed, now))
            self._opened[name] = self._open(name, stored)
        return self._opened[name]

    def _seal(self, name: str, secret: bytes) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return b64encode(nonce + self._key().encrypt(nonce, secret, name.encode())).decode()

    def _open(self, name: str, sealed: str) -> bytes:
        box = b64decode(sealed)
        try:
            return self._key().decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], name.encode())
        except InvalidTag:
            raise ConfigurationError(
                f"the secret {name!r} was not sealed with the wrapping key {self._path}",
                code="wrapping_key_wrong",
                hint=_RESTORE,
            ) from None

    def _key(self) -> AESGCM:
        if self._wrapping is None:
            raise RuntimeError("sealed secrets were not started")
        return self._wrapping


async def _rows(tx: Transaction) -> list[Row]:
    return list(await tx.fetch("SELECT name, sealed FROM sealed_secrets ORDER BY name"))


async def _keep_first(tx: Transaction, name: str, sealed: str, now: int) -> str:
    """Write `sealed` unless the secret is there; return what is there."""
    await tx.execute(
        "INSERT INTO sealed_secrets (name, sealed, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
        name,
        sealed,
        now,
    )
    row = await tx.fetch_row("SELECT sealed FROM sealed_secrets WHERE name = $1", name)
    if row is None:
        raise RuntimeError("a secret that was written is there")
    return str(row["sealed"])


def _read(path: Path) -> bytes:
    if not path.exists():
        raise ConfigurationError(f"the wrapping key is missing: {path}", code="key_missing", hint=_RESTORE)
    check_private(path, "the wrapping key")
    content = path.read_bytes()
    if len(content) != SECRET_BYTES:
        raise ConfigurationError(
            f"the wrapping key {path} is not {SECRET_BYTES} bytes long", code="key_damaged", hint=_RESTORE
        )
    return content
