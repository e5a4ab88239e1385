"""Strict JOSE: compact JWS (RFC 7515), JWK (RFC 7517), thumbprints (RFC 7638) and the JSON inside them.

Stricter than the RFCs where laxity has been somebody's CVE: unpadded base64url without stray bits, JSON without duplicate
names, asymmetric keys only, each bound to the algorithms of its own kind. Everything here raises `InvalidInputError`.
"""

from remit.jose.encoding import b64url_decode, b64url_encode, strict_json
from remit.jose.jws import UnverifiedJWS, parse_unverified, sign_compact, sign_raw, sign_typed
from remit.jose.keys import ALGORITHMS, PublicKey, public_jwk, thumbprint

__all__ = [
    "ALGORITHMS",
    "PublicKey",
    "UnverifiedJWS",
    "b64url_decode",
    "b64url_encode",
    "parse_unverified",
    "public_jwk",
    "sign_compact",
    "sign_raw",
    "sign_typed",
    "strict_json",
    "thumbprint",
]
