"""Signing with one key: the header is encoded once, then each token costs one signature."""

from base64 import urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric import ec

from issuer.keys.model import SigningKey
from remit.jose import b64url_encode, sign_raw


class Signer:
    """An active signing key with its private half.

    Attributes:
        key: its public half and times.
        private_key: the P-256 private key.
    """

    __slots__ = ("_header", "key", "private_key")

    def __init__(self, key: SigningKey, private_key: ec.EllipticCurvePrivateKey) -> None:
        """Prepare to sign with `private_key`, the private half of `key`."""
        self.key = key
        self.private_key = private_key
        # JWT-SVID section 2: exactly these three members.
        self._header = b64url_encode(f'{{"alg":"ES256","kid":"{key.kid}","typ":"JWT"}}'.encode()).encode() + b"."

    def sign(self, payload: bytes) -> str:
        """Sign `payload` as a compact JWS with the header of an agent token."""
        signing_input = self._header + urlsafe_b64encode(payload).rstrip(b"=")
        signature = urlsafe_b64encode(sign_raw(signing_input, self.private_key)).rstrip(b"=")
        return (signing_input + b"." + signature).decode("ascii")
