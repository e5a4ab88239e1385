"""The keys that histories are signed with: each is derived, used for one version, and never kept.

Version n of a history is signed by key n, which version n - 1 committed to by its hash (pre-rotation). Whoever has the shared
secret can derive every key of every history, so every issuer on a database can go on with a history that another began.
"""

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from remit.webvh.encoding import multihash, multikey

_SALT = b"remit did:webvh update key 1"


class UpdateKeys:
    """The update keys that follow from one secret."""

    def __init__(self, secret: bytes) -> None:
        """Derive from `secret`, 32 random bytes."""
        self._secret = secret

    def key(self, subject: str, version: int) -> Ed25519PrivateKey:
        """The key of one version of one subject's history."""
        info = msgspec.json.encode([subject, version])
        return Ed25519PrivateKey.from_private_bytes(HKDF(SHA256(), 32, _SALT, info).derive(self._secret))

    def public(self, subject: str, version: int) -> str:
        """Its public half, as a multikey."""
        return multikey(self.key(subject, version).public_key())

    def commitment(self, subject: str, version: int) -> str:
        """What the version before publishes of it: the hash of its public half."""
        return multihash(self.public(subject, version).encode())
