"""Key documents: SPIFFE bundles (SPIFFE Trust Domain and Bundle, section 4) and plain JWK sets (RFC 7517 section 5).

A key that cannot be used (unknown kind, too small, private) is left out; a document that leaves no key is refused, because an
empty key set must never mean that everything, or nothing yet, is trusted.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from remit.errors import InvalidInputError
from remit.ids import TrustDomain
from remit.jose import PublicKey, strict_json

PublicKeys = Mapping[str, PublicKey]
"""Keys by kid; never empty."""

_MAX_BYTES = 512 * 1024
_MAX_KEYS = 256


class Bundle(msgspec.Struct, frozen=True):
    """The JWT authorities of a trust domain.

    Attributes:
        trust_domain: whose keys these are.
        keys: the `jwt-svid` keys by kid.
        sequence: `spiffe_sequence`, or None.
        refresh_hint: `spiffe_refresh_hint` in seconds, or None.
    """

    trust_domain: TrustDomain
    keys: PublicKeys
    sequence: int | None
    refresh_hint: int | None

    @classmethod
    def parse(cls, document: bytes, trust_domain: TrustDomain) -> "Bundle":
        """Parse a SPIFFE bundle; keys of a use other than `jwt-svid` are ignored.

        Raises:
            InvalidInputError: not a bundle, a kid used twice, or no usable key.
        """
        members = _parse_document(document)
        keys = _usable_keys(members, uses=("jwt-svid",))
        return cls(trust_domain, keys, _count(members, "spiffe_sequence"), _count(members, "spiffe_refresh_hint"))


def parse_jwks(document: bytes) -> PublicKeys:
    """Parse a plain JWK set: signature keys (`use` absent or `sig`) by kid.

    Raises:
        InvalidInputError: not a JWK set, a kid used twice, or no usable key.
    """
    return _usable_keys(_parse_document(document), uses=(None, "sig"))


def _parse_document(document: bytes) -> Mapping[str, object]:
    members = strict_json(document, max_bytes=_MAX_BYTES, max_depth=8)
    if not isinstance(members, dict):
        raise _malformed("it is not a json object")
    return members


def _usable_keys(members: Mapping[str, object], uses: tuple[str | None, ...]) -> PublicKeys:
    entries = members.get("keys")
    if not isinstance(entries, list) or len(entries) > _MAX_KEYS:
        raise _malformed(f"its keys are not a list of at most {_MAX_KEYS}")
    keys: dict[str, PublicKey] = {}
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("use") not in uses:
            continue
        key = _key_or_none(entry)
        if key is None or key.kid is None:
            continue
        if key.kid in keys:
            raise _malformed("two of its keys have the same kid")
        keys[key.kid] = key
    if not keys:
        raise InvalidInputError("the key document holds no usable key", code="empty_key_set")
    return MappingProxyType(keys)


def _key_or_none(entry: Mapping[str, object]) -> PublicKey | None:
    try:
        return PublicKey.from_jwk(entry)
    except InvalidInputError:
        return None


def _count(members: Mapping[str, object], name: str) -> int | None:
    value = members.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise _malformed(f"its {name} is not a whole number")
    return value


def _malformed(why: str) -> InvalidInputError:
    return InvalidInputError(f"malformed key document: {why}", code="malformed_key_document")
