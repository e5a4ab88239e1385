"""Compact JWS (RFC 7515 section 7.1): taken apart without trust, and signed with an EC key."""

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from jwt.api_jws import PyJWS

from remit.errors import InvalidInputError
from remit.jose.encoding import JSONValue, b64url_decode, strict_json

_pyjws = PyJWS()
_ECDSA_OF_CURVE = {
    "secp256r1": ("ES256", ec.ECDSA(hashes.SHA256()), 32),
    "secp384r1": ("ES384", ec.ECDSA(hashes.SHA384()), 48),
    "secp521r1": ("ES512", ec.ECDSA(hashes.SHA512()), 66),
}


@dataclass(frozen=True, slots=True)
class UnverifiedJWS:
    """The parts of a compact JWS, decoded; nothing in it is to be believed before its signature was verified.

    Attributes:
        header_bytes: the protected header, JSON text.
        payload_bytes: the payload.
        signature: the raw signature (for ES*: r || s).
        signing_input: what the signature is over.
    """

    header_bytes: bytes
    payload_bytes: bytes
    signature: bytes
    signing_input: bytes

    def unverified_header(self) -> dict[str, JSONValue]:
        """The protected header as a strict JSON object.

        Raises:
            InvalidInputError: not an object, no `alg`, or a `crit` member: no extension is understood here.
        """
        header = strict_json(self.header_bytes, max_bytes=8192, max_depth=8)
        if not isinstance(header, dict) or not isinstance(header.get("alg"), str):
            raise InvalidInputError("the header is not a json object with an alg", code="malformed_header")
        if "crit" in header or "b64" in header:
            raise InvalidInputError("the header asks for an extension that is not supported", code="unsupported_crit")
        return header

    def unverified_payload(self) -> dict[str, JSONValue]:
        """The payload as a strict JSON object.

        Raises:
            InvalidInputError: not a JSON object with one reading.
        """
        payload = strict_json(self.payload_bytes)
        if not isinstance(payload, dict):
            raise InvalidInputError("the payload is not a json object", code="malformed_payload")
        return payload


def parse_unverified(token: str | bytes, *, max_bytes: int = 16384) -> UnverifiedJWS:
    """Take a compact JWS apart; nothing is verified.

    Args:
        token: `header.payload.signature`, each part unpadded base64url.
        max_bytes: the largest token accepted.

    Raises:
        InvalidInputError: not of that form, or too large.
    """
    if len(token) > max_bytes:
        raise InvalidInputError(f"not a compact jws of at most {max_bytes} bytes", code="malformed_jws")
    try:
        raw = token.encode("ascii") if isinstance(token, str) else token
        header, payload, signature = raw.split(b".")
    except ValueError as error:
        raise InvalidInputError("not a compact jws of three parts", code="malformed_jws") from error
    return UnverifiedJWS(
        b64url_decode(header), b64url_decode(payload), b64url_decode(signature), header + b"." + payload
    )


def sign_compact(header: Mapping[str, object], payload: bytes, key: ec.EllipticCurvePrivateKey) -> str:
    """Sign `payload` as a compact JWS with ES256, ES384 or ES512, as the key's curve has it.

    Args:
        header: the protected header; its `alg` must be the key's.
        payload: the bytes to sign.
        key: a P-256, P-384 or P-521 private key.

    Raises:
        InvalidInputError: `alg` is not that of the key's curve.
    """
    algorithm = _ECDSA_OF_CURVE.get(key.curve.name)
    if algorithm is None or header.get("alg") != algorithm[0]:
        raise InvalidInputError("the header's alg is not the algorithm of the key's curve", code="algorithm_mismatch")
    return _pyjws.encode(payload, key, algorithm=algorithm[0], headers=dict(header))


def sign_typed(payload: bytes, key: ec.EllipticCurvePrivateKey, *, kid: str, typ: str) -> str:
    """Sign `payload` as a compact JWS whose header is exactly `alg`, that of the key's curve, `kid` and `typ`.

    Raises:
        InvalidInputError: the key's curve is none of P-256, P-384, P-521.
    """
    return sign_compact({"alg": _ecdsa_of(key)[0], "kid": kid, "typ": typ}, payload, key)


def sign_raw(signing_input: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The JWS signature r || s (RFC 7518 section 3.4) over `signing_input`.

    Raises:
        InvalidInputError: the key's curve has no JWS algorithm.
    """
    _, ecdsa, size = _ecdsa_of(key)
    r, s = decode_dss_signature(key.sign(signing_input, ecdsa))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _ecdsa_of(key: ec.EllipticCurvePrivateKey) -> tuple[str, ec.ECDSA, int]:
    """The algorithm of the key's curve: its name, how it signs, and the bytes of half a signature."""
    algorithm = _ECDSA_OF_CURVE.get(key.curve.name)
    if algorithm is None:
        raise InvalidInputError(f"curve {key.curve.name} has no jws algorithm", code="unsupported_key")
    return algorithm
