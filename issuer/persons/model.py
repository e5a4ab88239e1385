"""What is known of a person: a digest here, and for each provider a reference that no other provider sees."""

import hashlib
import hmac
from typing import Final

from msgspec import Struct

from issuer.registry.state import State
from remit.jose import b64url_encode

_REFERENCE_CHARACTERS: Final = 22
"""132 bits: two persons never share one."""


class OnBehalf(Struct, frozen=True):
    """A person whose token was verified.

    Attributes:
        digest: which person it is, to this issuer alone.
        expires_at: when their token ends, unix seconds.
        provider: the configured name of who vouches for them.
    """

    digest: str
    expires_at: int
    provider: str


class PersonRow(Struct, frozen=True, gc=False):
    """A person as the database has them.

    Attributes:
        id: their key.
        digest: which person it is.
        state: what an operator made of it.
        revision: grows with each change.
    """

    id: int
    digest: str
    state: State
    revision: int


class Pairwise:
    """Turns who a person is into what may be kept and told; nothing of it can be turned back without the secret."""

    def __init__(self, secret: bytes) -> None:
        """Use `secret`, 32 random bytes that issuers on one database share."""
        self._secret = secret

    def __repr__(self) -> str:
        """Leaves the secret out."""
        return "Pairwise()"

    def digest(self, issuer: str, subject: str) -> str:
        """The digest of a person: hex. An issuer is a URL and has no NUL, so no two persons share their text."""
        return self._keyed(f"{issuer}\0{subject}").hex()

    def reference(self, digest: str, audience: str) -> str:
        """What a provider is told of a person: the same each time for one provider, another for every other."""
        return b64url_encode(self._keyed(f"{digest}|{audience}"))[:_REFERENCE_CHARACTERS]

    def _keyed(self, text: str) -> bytes:
        return hmac.digest(self._secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
