"""How did:webvh writes hashes, keys and canonical JSON.

Multibase base58btc, multihash (SHA2-256 only, as version 1.0 permits), multikey (Ed25519 only) and JCS (RFC 8785).
"""

import hashlib
from collections.abc import Mapping
from typing import Final

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from remit.errors import InvalidInputError

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}
_SHA2_256: Final = b"\x12\x20"
_ED25519_PUB: Final = b"\xed\x01"
_MAX_BASE58: Final = 128
"""Longest text that is decoded: base58 takes a time that grows with the square of the length."""


def base58_encode(data: bytes) -> str:
    """`data` in base58btc."""
    number = int.from_bytes(data, "big")
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_ALPHABET[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(digits))


def base58_decode(text: str) -> bytes:
    """Decode base58btc; raises InvalidInputError."""
    if len(text) > _MAX_BASE58 or not _VALUES.keys() >= set(text):
        raise InvalidInputError("not base58btc of a usual length")
    number = 0
    for character in text:
        number = number * 58 + _VALUES[character]
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


def canonical(value: Mapping[str, object]) -> bytes:
    """`value` in the JSON canonicalization scheme.

    Raises:
        InvalidInputError: it has a number that JSON readers would not agree on.
    """
    try:
        return rfc8785.dumps(dict(value))  # type: ignore[arg-type]  # it refuses by itself what JSON does not have
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise InvalidInputError("the json has no canonical form") from error


def multihash(data: bytes) -> str:
    """The SHA2-256 multihash of `data`, base58btc: 46 characters that begin with Qm."""
    return base58_encode(_SHA2_256 + hashlib.sha256(data).digest())


def multikey(key: Ed25519PublicKey) -> str:
    """A public key as text, such as `z6Mk…` (Controlled Identifiers 1.0, Multikey)."""
    return "z" + base58_encode(_ED25519_PUB + key.public_bytes_raw())


def parse_multikey(text: str) -> Ed25519PublicKey:
    """Read an Ed25519 multikey; raises InvalidInputError."""
    content = base58_decode(text[1:]) if text.startswith("z") else b""
    if len(content) != len(_ED25519_PUB) + 32 or not content.startswith(_ED25519_PUB):
        raise InvalidInputError("not an Ed25519 multikey")
    return Ed25519PublicKey.from_public_bytes(content[len(_ED25519_PUB) :])
