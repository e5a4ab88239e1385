"""Public keys as JWK (RFC 7517, RFC 7518 section 6), each usable only with the algorithms of its own kind.

No algorithm is ever taken from a token alone: a P-256 key verifies ES256 and nothing else, an RSA key only RS* and PS*. Secret
(`oct`) and private keys are refused, so that a public key can never be used as an HMAC secret.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from remit.errors import InvalidInputError
from remit.jose.encoding import b64url_decode, b64url_encode

Check = Callable[[bytes, bytes], None]

_CURVES: Final = {
    "P-256": ("ES256", ec.SECP256R1(), ec.ECDSA(hashes.SHA256()), 32),
    "P-384": ("ES384", ec.SECP384R1(), ec.ECDSA(hashes.SHA384()), 48),
    "P-521": ("ES512", ec.SECP521R1(), ec.ECDSA(hashes.SHA512()), 66),
}
_CURVE_NAMES: Final = {curve.name: name for name, (_, curve, _, _) in _CURVES.items()}
_HASHES: Final = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
# The DER that `cryptography` takes: a SEQUENCE of two INTEGERs of 32 bytes; one with its highest bit set takes a zero byte before it (X.690 section 8.3).
_DER_OF_32: Final = {
    (0, 0): b"\x30\x44\x02\x20%b\x02\x20%b",
    (0, 1): b"\x30\x45\x02\x20%b\x02\x21\x00%b",
    (1, 0): b"\x30\x45\x02\x21\x00%b\x02\x20%b",
    (1, 1): b"\x30\x46\x02\x21\x00%b\x02\x21\x00%b",
}
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_THUMBPRINT_MEMBERS: Final = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}

ALGORITHMS: Final = frozenset({"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
"""Every signature algorithm that a JWT-SVID may have; all that is accepted anywhere in Remit."""


@dataclass(frozen=True, slots=True, eq=False)
class PublicKey:
    """A public key that verifies signatures of its own algorithms.

    Attributes:
        kid: its identifier in the document it came from, or None.
        algorithms: the `alg` values it may be used with.
        key: the key itself.
    """

    kid: str | None
    algorithms: frozenset[str]
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    _checks: Mapping[str, Check] = field(repr=False)

    @classmethod
    def from_jwk(cls, jwk: object) -> "PublicKey":
        """Parse a JWK; an `alg` member narrows what the key may be used for.

        Raises:
            InvalidInputError: not a public EC (P-256, P-384, P-521) or RSA (2048 to 8192 bits) signature key.
        """
        if not isinstance(jwk, Mapping):
            raise _bad_key("not a json object")
        if not _PRIVATE_MEMBERS.isdisjoint(jwk):
            raise _bad_key("it has private or secret members")
        if jwk.get("use") == "enc" or not _may_verify(jwk):
            raise _bad_key("it is not for signatures")
        key, checks = _material(jwk)
        usable = _narrowed(checks, jwk)
        return cls(_kid(jwk), frozenset(usable), key, usable)

    def verify(self, signing_input: bytes, signature: bytes, alg: str) -> None:
        """Verify a JWS signature (RFC 7515 section 5.2).

        Raises:
            InvalidInputError: the signature is not by this key, or `alg` is not one of its algorithms.
        """
        check = self._checks.get(alg)
        if check is None:
            raise InvalidInputError("the algorithm is not one of the key's", code="algorithm_mismatch")
        try:
            check(signature, signing_input)
        except InvalidSignature as error:
            raise InvalidInputError("the signature is not by this key", code="signature_invalid") from error

    def checker(self, alg: str) -> Check:
        """The bare check `(signature, signing_input)` of one algorithm; raises `cryptography`'s InvalidSignature.

        Raises:
            InvalidInputError: `alg` is not one of the key's algorithms.
        """
        check = self._checks.get(alg)
        if check is None:
            raise InvalidInputError("the algorithm is not one of the key's", code="algorithm_mismatch")
        return check


def public_jwk(
    key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey | rsa.RSAPrivateKey | rsa.RSAPublicKey,
) -> dict[str, str]:
    """The public half of `key` as a JWK with its required members only.

    Raises:
        InvalidInputError: an EC curve that JWK has no name for here.
    """
    public = key if isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey) else key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": _uint(numbers.n), "e": _uint(numbers.e)}
    name = _CURVE_NAMES.get(public.curve.name)
    if name is None:
        raise _bad_key("its curve is not P-256, P-384 or P-521")
    size = _CURVES[name][3]
    point = public.public_numbers()
    x, y = (b64url_encode(value.to_bytes(size, "big")) for value in (point.x, point.y))
    return {"kty": "EC", "crv": name, "x": x, "y": y}


def thumbprint(jwk: Mapping[str, object]) -> str:
    """The SHA-256 thumbprint of a JWK (RFC 7638), base64url.

    Raises:
        InvalidInputError: a required member is missing, or the `kty` has no thumbprint here.
    """
    members = _THUMBPRINT_MEMBERS.get(str(jwk.get("kty")), ())
    required = {name: jwk.get(name) for name in members}
    if not required or not all(isinstance(value, str) for value in required.values()):
        raise _bad_key("a member that its thumbprint needs is missing")
    digest = hashes.Hash(hashes.SHA256())
    digest.update(msgspec.json.encode(required))
    return b64url_encode(digest.finalize())


def _may_verify(jwk: Mapping[str, object]) -> bool:
    operations = jwk.get("key_ops")
    return operations is None or (isinstance(operations, list) and "verify" in operations)


def _material(jwk: Mapping[str, object]) -> tuple[ec.EllipticCurvePublicKey | rsa.RSAPublicKey, dict[str, Check]]:
    match jwk.get("kty"):
        case "EC":
            return _ec_from_jwk(jwk)
        case "RSA":
            return _rsa_from_jwk(jwk)
        case _:
            raise _bad_key("its kty is neither EC nor RSA")


def _ec_from_jwk(jwk: Mapping[str, object]) -> tuple[ec.EllipticCurvePublicKey, dict[str, Check]]:
    name = jwk.get("crv")
    if not isinstance(name, str) or name not in _CURVES:
        raise _bad_key("its curve is not P-256, P-384 or P-521")
    alg, curve, ecdsa, size = _CURVES[name]
    x, y = (_member(jwk, coordinate) for coordinate in ("x", "y"))
    if len(x) != size or len(y) != size:
        raise _bad_key("a coordinate has the wrong length")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + x + y)
    except ValueError as error:
        raise _bad_key("its point is not on the curve") from error
    return key, {alg: _ecdsa_check(key, ecdsa, size)}


def _ecdsa_check(key: ec.EllipticCurvePublicKey, ecdsa: ec.ECDSA, size: int) -> Check:
    verify, full = key.verify, 2 * size

    def check(signature: bytes, signing_input: bytes) -> None:
        if len(signature) != full:
            raise InvalidSignature
        r, s = signature[:size], signature[size:]
        if size == 32 and r[0] and s[0]:  # nearly always: put together by hand, which is three times as fast
            der = _DER_OF_32[r[0] >> 7, s[0] >> 7] % (r, s)
        else:
            der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        verify(der, signing_input, ecdsa)

    return check


def _rsa_from_jwk(jwk: Mapping[str, object]) -> tuple[rsa.RSAPublicKey, dict[str, Check]]:
    modulus, exponent = _member(jwk, "n"), int.from_bytes(_member(jwk, "e"), "big")
    if not 256 <= len(modulus) <= 1024 or not modulus[0] or not modulus[-1] % 2:
        raise _bad_key("its modulus is not an odd number of 2048 to 8192 bits")
    if not 2**16 < exponent < 2**32 or exponent % 2 == 0:
        raise _bad_key("its exponent is not an odd number between 2^16 and 2^32")
    n = int.from_bytes(modulus, "big")
    if n.bit_length() < 2048:
        raise _bad_key("its modulus is not an odd number of 2048 to 8192 bits")
    key = rsa.RSAPublicNumbers(exponent, n).public_key()
    return key, {alg: _rsa_check(key, alg) for alg in ALGORITHMS if alg[1] == "S" and alg[0] in "RP"}


def _rsa_check(key: rsa.RSAPublicKey, alg: str) -> Check:
    digest = _HASHES[alg[2:]]
    scheme: padding.AsymmetricPadding = padding.PKCS1v15()
    if alg.startswith("PS"):  # RFC 7518 section 3.5: the salt is as long as the hash
        scheme = padding.PSS(padding.MGF1(digest), digest.digest_size)

    def check(signature: bytes, signing_input: bytes) -> None:
        key.verify(signature, signing_input, scheme, digest)

    return check


def _narrowed(checks: dict[str, Check], jwk: Mapping[str, object]) -> dict[str, Check]:
    alg = jwk.get("alg")
    if alg is None:
        return checks
    if not isinstance(alg, str) or alg not in checks:
        raise _bad_key("its alg does not fit its kty and crv")
    return {alg: checks[alg]}


def _kid(jwk: Mapping[str, object]) -> str | None:
    kid = jwk.get("kid")
    if kid is None:
        return None
    if not isinstance(kid, str) or not 0 < len(kid) <= 256:
        raise _bad_key("its kid is not a string of 1 to 256 characters")
    return kid


def _member(jwk: Mapping[str, object], name: str) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str) or not value:
        raise _bad_key(f"its {name} is missing")
    return b64url_decode(value)


def _uint(value: int) -> str:
    return b64url_encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _bad_key(why: str) -> InvalidInputError:
    return InvalidInputError(f"the key is refused: {why}", code="unsupported_key")
