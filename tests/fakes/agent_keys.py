"""Keys of agents, and the bodies that register them."""

import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from remit.dpop import create_proof
from remit.jose import public_jwk, thumbprint


class MadeKey:
    """A fresh key: `private`, `jwk`, `jkt`."""

    def __init__(self, curve: ec.EllipticCurve | None = None) -> None:
        self.private = ec.generate_private_key(curve or ec.SECP256R1())
        self.jwk = public_jwk(self.private)
        self.jkt = thumbprint(self.jwk)

    def proof(self, url: str, nonce: str | None, **bent: Any) -> str:
        """A proof for registering it at `url`, but for what is `bent`."""
        given = {"now": int(time.time()), "nonce": nonce, "method": "POST", "url": url, "key": self.private, **bent}
        return create_proof(given.pop("key"), given.pop("method"), given.pop("url"), **given)

    def body(self, url: str, nonce: str | None, evidence: Any, **more: Any) -> dict[str, Any]:
        """The body of `POST /v1/keys`; `proof` and `jwk` may be given in place of the good ones."""
        return {"evidence": evidence, "jwk": self.jwk, "proof": self.proof(url, nonce), **more}
