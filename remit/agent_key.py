"""A key of the agent's own: made here, kept in a file that only its owner can read, and never shown to anybody.

It is P-256, for ES256, because that is what hardware, browsers and every DPoP library can do.
"""

import os
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from remit.dpop import create_proof
from remit.errors import ConfigurationError
from remit.jose import public_jwk, thumbprint
from remit.reasons import reason_of

_MAX_FILE_BYTES: Final = 16_384
_OTHERS: Final = 0o077


class AgentKey:
    """An agent's key; its `repr` leaves the private half out.

    Attributes:
        jwk: the public half (RFC 7517), its required members only.
        thumbprint: the public half's thumbprint (RFC 7638): the `cnf.jkt` of tokens that are bound to it.
    """

    __slots__ = ("_private", "jwk", "thumbprint")

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        """Take over a private key.

        Raises:
            ConfigurationError: it is not P-256.
        """
        if not isinstance(private.curve, ec.SECP256R1):
            raise ConfigurationError("an agent's key is P-256", hint="make one with remit.AgentKey.generate()")
        self._private = private
        self.jwk = public_jwk(private)
        self.thumbprint = thumbprint(self.jwk)

    @classmethod
    def generate(cls) -> Self:
        """Make a key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a key from a PEM file without a password.

        Raises:
            ConfigurationError: it cannot be read, others may read it, or it is not a P-256 private key.
        """
        try:
            with Path(path).open("rb") as file:
                if os.fstat(file.fileno()).st_mode & _OTHERS:
                    raise ConfigurationError(f"{str(path)!r} may be read by others", hint=f"chmod 600 {path}")
                content = file.read(_MAX_FILE_BYTES)
        except OSError as error:
            raise ConfigurationError(f"the agent's key {str(path)!r} cannot be read: {reason_of(error)}") from error
        return cls.from_pem(content)

    @classmethod
    def load_or_generate(cls, path: str | os.PathLike[str]) -> Self:
        """Read the key at `path`, or make one and keep it there; of several processes that do so at once, one makes it.

        Raises:
            ConfigurationError: as `load`, or it cannot be written.
        """
        if not Path(path).exists():
            key = cls.generate()
            if key.save(path):
                return key
        return cls.load(path)

    @classmethod
    def from_pem(cls, content: bytes) -> Self:
        """Read a key from PEM; raises `ConfigurationError` when it is not a P-256 private key without a password."""
        try:
            private = serialization.load_pem_private_key(content, password=None)
        except (ValueError, TypeError) as error:
            raise ConfigurationError("the agent's key is not a private key in PEM, without a password") from error
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ConfigurationError("an agent's key is P-256", hint="make one with remit.AgentKey.generate()")
        return cls(private)

    def to_pem(self) -> bytes:
        """The private key as PEM (PKCS #8, not encrypted): for a file that only its owner reads."""
        return self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def save(self, path: str | os.PathLike[str]) -> bool:
        """Write the key to a new file of mode 0600, durably and whole; False when there is a file already.

        Raises:
            ConfigurationError: it cannot be written.
        """
        target = Path(path)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.new")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(self.to_pem())
                file.flush()
                os.fsync(descriptor)
            try:
                os.link(temporary, target)  # unlike a rename, this never takes the place of another's key
            except FileExistsError:
                return False
            finally:
                temporary.unlink()
        except OSError as error:
            raise ConfigurationError(f"the agent's key {str(path)!r} cannot be written: {reason_of(error)}") from error
        return True

    def proof(
        self, method: str, url: str, *, now: int, access_token: str | None = None, nonce: str | None = None
    ) -> str:
        """A DPoP proof by this key; see `remit.dpop.create_proof` for the arguments."""
        return create_proof(self._private, method, url, now=now, access_token=access_token, nonce=nonce)

    def __repr__(self) -> str:
        return f"AgentKey(thumbprint={self.thumbprint!r})"
