"""Token Status List (draft-ietf-oauth-status-list-21): the packed list and the signed token that carries it.

This module is the only one that knows the draft; when it becomes an RFC, what changes, changes here. Beyond the draft, the token
carries `seq`, the issuer's count of status changes at the moment of the snapshot (never falls), and `bundle_seq`, the
`spiffe_sequence` of the bundle that was in force: who knows an older bundle reads it anew before the list counts as fresh.
"""

import zlib
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from remit.bundle import PublicKeys
from remit.errors import InvalidInputError
from remit.jose import b64url_decode, b64url_encode, parse_unverified, sign_typed

VALID: Final = 0
INVALID: Final = 1
SUSPENDED: Final = 2

JWT_TYP: Final = "statuslist+jwt"
MEDIA_TYPE: Final = "application/statuslist+jwt"

MAX_LIST_BYTES: Final = 1 << 20
"""The largest list that is unpacked: 2^22 statuses of two bits."""
MAX_TOKEN_BYTES: Final = 2 << 20

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class StatusList(msgspec.Struct, frozen=True):
    """Statuses packed from the least significant bit of each byte (section 4.1).

    Attributes:
        bits: 1, 2, 4 or 8 bits for each status.
        data: the packed statuses, `len(data) * 8 // bits` of them.
    """

    bits: int
    data: bytes

    def __post_init__(self) -> None:
        if self.bits not in (1, 2, 4, 8):
            raise InvalidInputError(f"{self.bits} bits for a status: it is 1, 2, 4 or 8", code="malformed_status_list")

    @property
    def size(self) -> int:
        """How many statuses the list holds."""
        return len(self.data) * 8 // self.bits

    def get(self, index: int) -> int:
        """The status at `index`.

        Raises:
            InvalidInputError: there is no such index; it is never taken as valid (section 8.3).
        """
        if not 0 <= index < self.size:
            raise InvalidInputError(f"status index {index} is outside the list", code="status_out_of_range")
        position = index * self.bits
        return (self.data[position >> 3] >> (position & 7)) & ((1 << self.bits) - 1)

    @classmethod
    def pack(cls, statuses: Mapping[int, int], *, size: int, bits: int = 2) -> "StatusList":
        """Pack `statuses` (index to status); every other index of the `size` is 0, valid.

        Raises:
            InvalidInputError: an index outside the list, a status that does not fit, or a size that fills no whole byte.
        """
        if bits not in (1, 2, 4, 8) or size * bits % 8:
            raise InvalidInputError(
                "a status list fills whole bytes with 1, 2, 4 or 8 bits", code="malformed_status_list"
            )
        data = bytearray(size * bits // 8)
        limit = 1 << bits
        for index, status in statuses.items():
            if not (0 <= index < size and 0 <= status < limit):
                raise InvalidInputError(f"status {status} at {index} does not fit", code="status_out_of_range")
            position = index * bits
            data[position >> 3] |= status << (position & 7)
        return cls(bits, bytes(data))

    @classmethod
    def from_lst(cls, lst: str, bits: int) -> "StatusList":
        """Unpack the `lst` member (section 4.2): base64url of a zlib stream; it is never inflated beyond `MAX_LIST_BYTES`.

        Raises:
            InvalidInputError: not such a stream, or one that unpacks to more than the bound.
        """
        inflater = zlib.decompressobj()
        try:
            data = inflater.decompress(b64url_decode(lst), MAX_LIST_BYTES + 1)
        except zlib.error as error:
            raise InvalidInputError("the status list is not a zlib stream", code="malformed_status_list") from error
        if len(data) > MAX_LIST_BYTES:
            raise InvalidInputError(
                f"the status list is larger than {MAX_LIST_BYTES} bytes", code="status_list_too_large"
            )
        if not inflater.eof or inflater.unused_data or not data:
            raise InvalidInputError(
                "the status list is cut off, empty or followed by more", code="malformed_status_list"
            )
        return cls(bits, data)

    def to_lst(self, level: int = 9) -> str:
        """The `lst` member; `level` is zlib's (the draft recommends the highest)."""
        return b64url_encode(zlib.compress(self.data, level))


class _ListClaim(msgspec.Struct, frozen=True):
    bits: int
    lst: str


class _Claims(msgspec.Struct, frozen=True):
    sub: str
    iat: _Count
    exp: _Count
    ttl: Annotated[int, msgspec.Meta(ge=1, le=2**31)]
    seq: _Count
    status_list: _ListClaim
    bundle_seq: _Count = 0


class StatusListToken(msgspec.Struct, frozen=True):
    """A status list as its issuer states it at one moment (section 5.1).

    Attributes:
        uri: where it is served; its `sub`.
        issued_at: unix seconds, the issuer's database clock, read before the snapshot.
        expires_at: unix seconds.
        ttl_seconds: for how long the issuer advises to cache it; verifiers of Remit enforce their own, smaller bound.
        seq: the issuer's count of status changes that the list includes.
        statuses: the list.
        bundle_seq: the sequence number of the bundle that was in force.
    """

    uri: str
    issued_at: int
    expires_at: int
    ttl_seconds: int
    seq: int
    statuses: StatusList
    bundle_seq: int = 0

    def sign(self, key: ec.EllipticCurvePrivateKey, kid: str, *, lst: str | None = None) -> str:
        """The signed compact form (`statuslist+jwt`).

        Args:
            key: signs.
            kid: names it.
            lst: `statuses.to_lst()`, if it is at hand.

        Raises:
            InvalidInputError: the key's curve is none of P-256, P-384, P-521.
        """
        status_list = _ListClaim(self.statuses.bits, self.statuses.to_lst() if lst is None else lst)
        times = (self.issued_at, self.expires_at, self.ttl_seconds)
        claims = _Claims(self.uri, *times, self.seq, status_list, self.bundle_seq)
        return sign_typed(msgspec.json.encode(claims), key, kid=kid, typ=JWT_TYP)

    @classmethod
    def verify(cls, token: bytes, *, keys: PublicKeys, uri: str, now: int, leeway: int = 5) -> "StatusListToken":
        """Verify a status list token that was fetched from `uri` (section 8.3).

        Args:
            token: the compact form.
            keys: the issuer's status keys, by kid.
            uri: what its `sub` must be.
            now: unix seconds.
            leeway: seconds that the clocks may differ by.

        Raises:
            InvalidInputError: signed by no key of `keys`, for another URI, expired, from the future, or malformed.
        """
        jws = parse_unverified(token, max_bytes=MAX_TOKEN_BYTES)
        header = jws.unverified_header()
        key = keys.get(str(header.get("kid")))
        if header.get("typ") != JWT_TYP or key is None:
            raise InvalidInputError("not a status list token by a known key", code="malformed_status_list")
        key.verify(jws.signing_input, jws.signature, str(header["alg"]))
        try:
            claims = msgspec.json.decode(jws.payload_bytes, type=_Claims)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInputError(f"malformed status list token: {error}", code="malformed_status_list") from error
        if claims.sub != uri:
            raise InvalidInputError("the status list is another one", code="wrong_status_list")
        if not claims.iat - leeway <= now < claims.exp + leeway:
            raise InvalidInputError("the status list is expired or from the future", code="status_list_expired")
        statuses = StatusList.from_lst(claims.status_list.lst, claims.status_list.bits)
        return cls(claims.sub, claims.iat, claims.exp, claims.ttl, claims.seq, statuses, claims.bundle_seq)
