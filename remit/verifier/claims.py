"""The claims of an agent token as they are on the wire, read so that there is one reading only.

msgspec keeps the last of two equal names and accepts escaped ones in silence. The typed claims are therefore written again and
compared with what came: that proves both absent for tokens in the order that Remit writes, and costs a microsecond. Any other
order is read once more by a parser that refuses repeated and escaped names.
"""

import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from remit.errors import InvalidInputError
from remit.jose import strict_json

_Seconds = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]

_STRINGS: Final = re.compile(rb'"((?:[^"\\]|\\.)*+)"\s*+(:?)')
_MAX_PAYLOAD_BYTES: Final = 8192
_MAX_DEPTH: Final = 6

PARENT_ASSERTED: Final = "parent_asserted"
"""The `amr` value (RFC 8176) of a sub-agent that showed no evidence of its own."""


class StatusListClaim(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """`status_list`: the index `idx` of the grant in the list at `uri`."""

    idx: Annotated[int, msgspec.Meta(ge=0, le=2**31)]
    uri: _Text


class StatusClaim(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """`status`: how the token's status is found; no mechanism but the status list."""

    status_list: StatusListClaim


class ConfirmationClaim(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """`cnf`: the SHA-256 thumbprint of the key that the token is bound to (RFC 9449 section 6.1)."""

    jkt: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]


class AgentClaims(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The claims of an agent token, in the order in which Remit writes them; a claim that is not listed is ignored.

    `aud` is one string, `authorization_details` has exactly one element, and its text is kept to be parsed by the scope itself.
    """

    iss: _Text
    sub: _Text
    aud: _Text
    iat: _Seconds
    nbf: _Seconds
    exp: _Seconds
    jti: _Name
    tenant: _Name
    sub_profile: Literal["ai_agent"]
    parent_agent: _Text | UnsetType = UNSET
    amr: tuple[_Name, ...] | UnsetType = UNSET
    on_behalf_of: _Name | UnsetType = UNSET
    txn: _Name | UnsetType = UNSET
    authorization_details: tuple[Raw]
    trust_tier: _Name | UnsetType = UNSET
    status: StatusClaim
    cnf: ConfirmationClaim | UnsetType = UNSET


_decoder = msgspec.json.Decoder(AgentClaims)
_encode = msgspec.json.Encoder().encode


def decode_claims(payload: bytes) -> AgentClaims:
    """Read the claims of a token whose signature may not have been verified yet.

    Raises:
        InvalidInputError: not an object with every required claim of the right type, or with a repeated or escaped name.
    """
    try:
        claims = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"the claims are refused: {error}", code="claims_refused") from None
    if _encode(claims) != payload:
        _refuse_ambiguity(payload)
    return claims


def _refuse_ambiguity(payload: bytes) -> None:
    strict_json(payload, max_bytes=_MAX_PAYLOAD_BYTES, max_depth=_MAX_DEPTH)
    for text, colon in _STRINGS.findall(payload):
        if colon and b"\\" in text:
            raise InvalidInputError("the claims are refused: a name is escaped", code="claims_refused")
