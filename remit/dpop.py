"""Proof of possession: DPoP proofs (RFC 9449), made and verified.

`verify_proof` follows RFC 9449 section 4.3 in its order. DPoP does not cover the body of a request; Remit's own private claim
`bsh`, the base64url SHA-256 of the body, does where a caller asks for it. A proof that was verified is fresh only once: pass
it through a `ReplayCache` (or a shared store) before acting on it.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from remit.errors import InvalidInputError, ProofRefusedError
from remit.jose import PublicKey, UnverifiedJWS, b64url_encode, parse_unverified, public_jwk, sign_compact, thumbprint
from remit.locations import normalise_location

MAX_PROOF_BYTES: Final = 8192
_MAX_JTI_LENGTH: Final = 256
_CURVE_ALGORITHMS: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}

_decode_flat: Final = msgspec.json.Decoder(dict[str, str | int]).decode
_encode: Final = msgspec.json.Encoder().encode

NonceCheck = Callable[[str | None], bool]


class Proof(msgspec.Struct, frozen=True, gc=False):
    """A proof that was verified.

    Attributes:
        jkt: the thumbprint of the key that signed it (RFC 7638); compare it with the token's `cnf.jkt`.
        jti: its identifier, unique for this key.
        issued_at: its `iat`, in unix seconds.
        valid_until: the last second at which it would be accepted again if nobody remembered it.
        jwk: the public key that signed it.
        bsh: the digest of the body that it says it covers, or None.
    """

    jkt: str
    jti: str
    issued_at: int
    valid_until: int
    jwk: dict[str, object]
    bsh: str | None = None

    def covers(self, body: bytes) -> bool:
        """Whether the proof covers `body`; one that says nothing of a body covers none."""
        return self.bsh is not None and hmac.compare_digest(self.bsh.encode(), _digest(body).encode())


class _Key(msgspec.Struct, frozen=True):
    public: PublicKey
    alg: str
    jwk: dict[str, object]
    jkt: str


def create_proof(
    key: ec.EllipticCurvePrivateKey,
    method: str,
    url: str,
    *,
    now: int,
    access_token: str | None = None,
    nonce: str | None = None,
    body: bytes | None = None,
    jti: str | None = None,
) -> str:
    """Make a proof for one request (RFC 9449 section 4.2).

    Args:
        key: the private key that the token is bound to.
        method: the HTTP method.
        url: the request's URL; query and fragment are left out.
        now: unix seconds.
        access_token: the token that the request carries, for `ath`.
        nonce: the nonce that the server gave, if it did.
        body: the request's body, for `bsh`; None leaves the claim out.
        jti: the proof's identifier; a random one by default.
    """
    claims: dict[str, str | int] = {
        "jti": jti or secrets.token_urlsafe(16),
        "htm": method,
        "htu": _without_query(url),
        "iat": now,
    }
    if access_token is not None:
        claims["ath"] = _digest(access_token.encode())
    if nonce is not None:
        claims["nonce"] = nonce
    if body is not None:
        claims["bsh"] = _digest(body)
    header = {"typ": "dpop+jwt", "alg": _CURVE_ALGORITHMS.get(key.curve.name), "jwk": public_jwk(key)}
    return sign_compact(header, msgspec.json.encode(claims), key)


def verify_proof(
    proof: str,
    *,
    method: str,
    url: str,
    now: int,
    access_token: str | None = None,
    nonce_check: NonceCheck | None = None,
    body: bytes | None = None,
    max_age_seconds: int = 60,
    leeway: int = 5,
) -> Proof:
    """Verify a proof for one request (RFC 9449 section 4.3); whether its key is the right one is the caller's to compare.

    Args:
        proof: the value of the only `DPoP` header.
        method: the request's method.
        url: the request's URL as the server publishes it, never made from `Host`; its query is ignored.
        now: unix seconds.
        access_token: the token that came with it; then `ath` is required.
        nonce_check: says whether a nonce (None: there is none) is acceptable; then it decides.
        body: the request's body; then `bsh` is required.
        max_age_seconds: how long after its `iat` a proof is accepted.
        leeway: the clock difference that is tolerated, in seconds.

    Raises:
        ProofRefusedError: it is not; code `use_dpop_nonce` when only the nonce is missing or stale.
    """
    try:
        jws = parse_unverified(proof, max_bytes=MAX_PROOF_BYTES)
        key = _key_of(jws.header_bytes)
        key.public.verify(jws.signing_input, jws.signature, key.alg)
        claims = _claims_of(jws)
    except InvalidInputError as error:
        raise ProofRefusedError(f"the proof is refused: {error.detail}") from error
    _check_request(claims, method, url)
    _check_digest(claims, "ath", None if access_token is None else access_token.encode())
    _check_digest(claims, "bsh", body)
    issued_at = _check_time(claims, now, max_age_seconds, leeway)
    _check_nonce(claims, nonce_check)
    bsh = claims.get("bsh")
    return Proof(
        key.jkt,
        _check_jti(claims),
        issued_at,
        issued_at + max_age_seconds + leeway,
        key.jwk,
        bsh if isinstance(bsh, str) else None,
    )


def _claims_of(jws: UnverifiedJWS) -> Mapping[str, object]:
    """The payload, strictly. What is written again just as it came has one reading; the rest is looked at more closely."""
    try:
        claims = _decode_flat(jws.payload_bytes)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return jws.unverified_payload()
    return claims if _encode(claims) == jws.payload_bytes else jws.unverified_payload()


@lru_cache(maxsize=1024)
def _key_of(header_bytes: bytes) -> _Key:
    """The key that a header names; the same header names the same key, so it is read once."""
    header = UnverifiedJWS(header_bytes, b"", b"", b"").unverified_header()
    alg, jwk = header.get("alg"), header.get("jwk")
    if header.keys() != {"typ", "alg", "jwk"} or header["typ"] != "dpop+jwt":
        raise InvalidInputError("its header is not exactly typ dpop+jwt, alg and jwk")
    if not isinstance(jwk, dict) or not isinstance(alg, str):
        raise InvalidInputError("its header has no alg and jwk")
    return _Key(PublicKey.from_jwk(jwk), alg, dict(jwk), thumbprint(jwk))


def _check_request(claims: Mapping[str, object], method: str, url: str) -> None:
    if claims.get("htm") != method:
        raise ProofRefusedError("the proof is for another method")
    htu = claims.get("htu")
    if not isinstance(htu, str) or not _same_url(htu, url):
        raise ProofRefusedError("the proof is for another url", hint="htu is the url that the server publishes")


def _check_digest(claims: Mapping[str, object], name: str, covered: bytes | None) -> None:
    if covered is None:
        return
    claimed = claims.get(name)
    if not isinstance(claimed, str) or not hmac.compare_digest(claimed.encode(), _digest(covered).encode()):
        what = "token" if name == "ath" else "body"
        raise ProofRefusedError(f"the proof does not cover this {what}", hint=f"its {name} is missing or wrong")


def _check_time(claims: Mapping[str, object], now: int, max_age_seconds: int, leeway: int) -> int:
    issued_at = claims.get("iat")
    if type(issued_at) is not int:
        raise ProofRefusedError("the proof has no iat in whole seconds")
    if not now - max_age_seconds - leeway <= issued_at <= now + leeway:
        raise ProofRefusedError("the proof is too old or from the future", hint="check the clock")
    return issued_at


def _check_nonce(claims: Mapping[str, object], nonce_check: NonceCheck | None) -> None:
    nonce = claims.get("nonce")
    if nonce is not None and not isinstance(nonce, str):
        raise ProofRefusedError("the proof's nonce is not text")
    if nonce_check is not None and not nonce_check(nonce):
        hint = "repeat the request with the nonce of the DPoP-Nonce header"
        raise ProofRefusedError("the proof needs a fresh nonce", code="use_dpop_nonce", hint=hint)


def _check_jti(claims: Mapping[str, object]) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI_LENGTH:
        raise ProofRefusedError(f"the proof has no jti of 1 to {_MAX_JTI_LENGTH} characters")
    return jti


def _same_url(claimed: str, actual: str) -> bool:
    if claimed == actual:
        return True
    claimed, actual = _without_query(claimed), _without_query(actual)
    try:
        return normalise_location(claimed) == normalise_location(actual)
    except InvalidInputError:
        return False


def _without_query(url: str) -> str:
    return url.partition("#")[0].partition("?")[0]


def _digest(data: bytes) -> str:
    return b64url_encode(hashlib.sha256(data).digest())
