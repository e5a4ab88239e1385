"""What a token says that the issuer has just sent: it is the issuer's own word, so its signature is for providers to check."""

from typing import Self

import msgspec
from msgspec import Struct

from remit.errors import InvalidInputError, UnavailableError
from remit.jose import parse_unverified
from sidecar.cache import StatusEntry


class _StatusReference(Struct, frozen=True):
    uri: str
    idx: int


class _Status(Struct, frozen=True):
    status_list: _StatusReference


class _Confirmation(Struct, frozen=True):
    jkt: str


class _Claims(Struct, frozen=True):
    sub: str
    iat: int
    exp: int
    status: _Status
    txn: str | None = None
    cnf: _Confirmation | None = None


class _Header(Struct, frozen=True):
    kid: str


_CLAIMS = msgspec.json.Decoder(_Claims)
_HEADER = msgspec.json.Decoder(_Header)


class TokenFacts(Struct, frozen=True):
    """What the sidecar needs to know of a token.

    Attributes:
        kid: the name of the key that signed it.
        subject: the SPIFFE ID of its agent.
        issued_at: unix seconds.
        expires_at: unix seconds.
        status: where its status is published.
        task: the task that it is for.
        jkt: the thumbprint of the agent's key that it is bound to, or None.
    """

    kid: str
    subject: str
    issued_at: int
    expires_at: int
    status: StatusEntry
    task: str | None
    jkt: str | None

    @classmethod
    def read(cls, token: str) -> Self:
        """Read a token that came from the issuer itself.

        Raises:
            UnavailableError: it is no agent token: what could not be withdrawn is not given out.
        """
        try:
            parts = parse_unverified(token)
            header, claims = _HEADER.decode(parts.header_bytes), _CLAIMS.decode(parts.payload_bytes)
        except (InvalidInputError, msgspec.MsgspecError) as error:
            raise UnavailableError("the issuer's token does not parse", code="issuer_unavailable") from error
        reference = claims.status.status_list
        status = StatusEntry(reference.uri, reference.idx)
        jkt = None if claims.cnf is None else claims.cnf.jkt
        return cls(header.kid, claims.sub, claims.iat, claims.exp, status, claims.txn, jkt)
