"""What the `oidc` and `spiffe` attestors share: a signed token is taken apart once, verified, and then read.

The rules' order: size and form, algorithm allow-list, no key that the token brings along, a kid, the signature by a key
of the issuer it names; then audience and time. The bytes whose signature was verified are the bytes that are read.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from attestors.errors import EvidenceRefusedError
from attestors.keysource import KeySource
from remit.errors import InvalidInputError
from remit.jose import ALGORITHMS, UnverifiedJWS, parse_unverified
from remit.jose.encoding import JSONValue

Claims = Mapping[str, JSONValue]

_OWN_KEY_HEADERS = frozenset({"jwk", "jku", "x5u", "x5c"})
_TYPES = frozenset({"jwt", "jose"})
_LATEST = 2**53


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token taken apart; its claims choose whose keys to check it with, and nothing else."""

    jws: UnverifiedJWS
    header: Claims
    unverified_claims: Claims

    @classmethod
    def parse(cls, token: str) -> "UnverifiedToken":
        """Take a compact JWS with a JSON object inside apart.

        Raises:
            EvidenceRefusedError: not of that form, or not with one reading only.
        """
        try:
            jws = parse_unverified(token)
            return cls(jws, jws.unverified_header(), jws.unverified_payload())
        except InvalidInputError as error:
            raise EvidenceRefusedError(f"the token does not parse: {error.detail}") from error

    async def verify(self, keys: KeySource, algorithms: Collection[str], now: int) -> Claims:
        """Check header and signature; return the claims, verified from here on.

        Raises:
            EvidenceRefusedError: the signature is not by a key of `keys`, or the header asks for something else.
        """
        alg, kid, kind = (self.header.get(name) for name in ("alg", "kid", "typ"))
        if not isinstance(alg, str) or alg not in algorithms or alg not in ALGORITHMS:
            raise EvidenceRefusedError(
                "the token's algorithm is not allowed", hint=f"allowed: {', '.join(sorted(algorithms))}"
            )
        if not _OWN_KEY_HEADERS.isdisjoint(self.header):
            raise EvidenceRefusedError("the token's header brings a key of its own, or says where to fetch one")
        if kind is not None and not (isinstance(kind, str) and kind.lower() in _TYPES):
            raise EvidenceRefusedError("the token's typ is not JWT: it was made for another use")
        if not isinstance(kid, str) or not kid:
            raise EvidenceRefusedError("the token's header names no key (kid)")
        key = await keys.key(kid, now)
        try:
            key.verify(self.jws.signing_input, self.jws.signature, alg)
        except InvalidInputError as error:
            raise EvidenceRefusedError(error.detail) from error
        return self.unverified_claims

    def digest(self, attestor: str) -> str:
        """Names these signed bytes, for single use. The signature is left out: ECDSA's can be rewritten by anybody."""
        return hashlib.sha256(attestor.encode("ascii") + b"\0" + self.jws.signing_input).hexdigest()


def check_audience(claims: Claims, accepted: Collection[str]) -> None:
    """Refuse a token that is not for us alone.

    A token that another audience may hold too could be presented by that audience.

    Raises:
        EvidenceRefusedError: `aud` is missing, empty, or names anybody but `accepted`.
    """
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not named or not all(isinstance(one, str) and one in accepted for one in named):
        raise EvidenceRefusedError(
            "the token's audience is not this issuer alone", hint=f"ask for a token with audience {min(accepted)}"
        )


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old a token may be.

    Attributes:
        leeway_seconds: for clocks that differ; added once to each comparison.
        max_age_seconds: since `iat`.
        issued_at_required: whether `iat` must be there (it is optional in a JWT-SVID).
    """

    leeway_seconds: int
    max_age_seconds: int
    issued_at_required: bool = True

    def check(self, claims: Claims, now: int) -> int:
        """Check `exp`, `nbf` and `iat`; return `exp`.

        Raises:
            EvidenceRefusedError: code `evidence_expired` outside its time; otherwise a time is missing or no number.
        """
        expires_at, issued_at, not_before = (_time(claims, name) for name in ("exp", "iat", "nbf"))
        if expires_at is None or (issued_at is None and self.issued_at_required):
            raise EvidenceRefusedError("the token has no exp or no iat")
        if now >= expires_at + self.leeway_seconds:
            raise EvidenceRefusedError("the token has expired", code="evidence_expired", hint="get a fresh one")
        if max(issued_at or 0, not_before or 0) > now + self.leeway_seconds:
            raise EvidenceRefusedError(
                "the token is of the future", code="evidence_expired", hint="look at both clocks"
            )
        if issued_at is not None and now - issued_at > self.max_age_seconds + self.leeway_seconds:
            raise EvidenceRefusedError(
                f"the token is older than {self.max_age_seconds} s", code="evidence_expired", hint="get a fresh one"
            )
        return expires_at


def _time(claims: Claims, name: str) -> int | None:
    """A NumericDate (RFC 7519 section 2) in whole seconds, rounded down."""
    value = claims.get(name)
    if name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        raise EvidenceRefusedError(f"the token's {name} is not a time")
    return int(value)
