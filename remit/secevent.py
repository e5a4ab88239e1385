"""Status events: what an issuer pushes when a status changes, as Security Event Tokens (RFC 8417).

    session-revoked     CAEP 1.0: the statuses that are invalid from now on
    status-changed      ours: the statuses that are suspended, or valid again
    lists-changed       ours: too many to name: these lists are to be read anew
    credential-change   CAEP 1.0, `change_type` revoke: token keys that nobody is to trust any more
    verification        OpenID SSF 1.0: a heartbeat; nothing changed

An event's `seq` is the number of the change that it tells of; a heartbeat's is the newest change at its `iat`. Either says which bundle
is in force (`bundle_seq`, its `spiffe_sequence`). This module is the only one that knows the format.
"""

from typing import Annotated, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from remit.bundle import PublicKeys
from remit.errors import InvalidInputError
from remit.jose import parse_unverified, sign_typed
from remit.statuslist import INVALID, SUSPENDED, VALID

JWT_TYP: Final = "secevent+jwt"
MAX_EVENT_BYTES: Final = 128 * 1024
MAX_MARKS: Final = 256
"""Most statuses that one event names; of more it says which lists to read anew."""

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]


class StatusMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One status as it is now.

    Attributes:
        uri: the status list.
        idx: the index in it.
        value: 0 valid, 1 invalid, 2 suspended.
    """

    uri: _Text
    idx: Annotated[int, msgspec.Meta(ge=0, le=2**31)]
    value: Annotated[int, msgspec.Meta(ge=VALID, le=SUSPENDED)]


class _Statuses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    statuses: Annotated[tuple[StatusMark, ...], msgspec.Meta(min_length=1, max_length=MAX_MARKS)]


class _Lists(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    uris: Annotated[tuple[_Text, ...], msgspec.Meta(min_length=1, max_length=4096)]


class _Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    credential_type: str
    change_type: str
    kids: Annotated[tuple[_Text, ...], msgspec.Meta(min_length=1, max_length=256)]


class _Nothing(msgspec.Struct, frozen=True):
    """A heartbeat has no content."""


class _Events(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    revoked: _Statuses | None = msgspec.field(
        default=None, name="https://schemas.openid.net/secevent/caep/event-type/session-revoked"
    )
    changed: _Statuses | None = msgspec.field(default=None, name="urn:remit:event-type:status-changed")
    lists: _Lists | None = msgspec.field(default=None, name="urn:remit:event-type:lists-changed")
    keys: _Keys | None = msgspec.field(
        default=None, name="https://schemas.openid.net/secevent/caep/event-type/credential-change"
    )
    heartbeat: _Nothing | None = msgspec.field(
        default=None, name="https://schemas.openid.net/secevent/ssf/event-type/verification"
    )


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    iat: _Count
    jti: str
    seq: _Count
    bundle_seq: _Count
    events: _Events


class StatusEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What changed, or that nothing did.

    Attributes:
        issuer: its URL.
        issued_at: unix seconds, the issuer's database clock; a heartbeat's is read before `seq` is.
        seq: the number of the change, or in a heartbeat of the newest one.
        bundle_seq: the sequence number of the bundle that is in force.
        marks: the statuses that changed.
        lists: URIs of lists that changed in too many places to name: they are to be read anew.
        keys: the `kid`s of token keys that are tainted.
    """

    issuer: str
    issued_at: int
    seq: int
    bundle_seq: int
    marks: tuple[StatusMark, ...] = ()
    lists: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def is_heartbeat(self) -> bool:
        """Whether it tells of no change."""
        return not (self.marks or self.lists or self.keys)

    def sign(self, key: ec.EllipticCurvePrivateKey, kid: str) -> str:
        """The signed compact form (`secevent+jwt`); `kid` names `key`, a status key."""
        name = f"heartbeat-{self.seq}-{self.issued_at}" if self.is_heartbeat else f"status-{self.seq}"
        claims = _Claims(self.issuer, self.issued_at, name, self.seq, self.bundle_seq, self._events())
        return sign_typed(msgspec.json.encode(claims), key, kid=kid, typ=JWT_TYP)

    @classmethod
    def verify(cls, token: bytes, *, keys: PublicKeys, issuer: str, now: int, leeway: int = 5) -> "StatusEvent":
        """Verify an event that came from `issuer`.

        Args:
            token: the compact form.
            keys: the issuer's status keys, by kid.
            issuer: what its `iss` must be.
            now: unix seconds.
            leeway: seconds that the clocks may differ by.

        Raises:
            InvalidInputError: signed by no key of `keys` (code `unknown_key`), of another issuer, from the future, malformed, or of a
                type that is not known: whatever it tells of must be learned in another way.
        """
        jws = parse_unverified(token, max_bytes=MAX_EVENT_BYTES)
        header = jws.unverified_header()
        if header.get("typ") != JWT_TYP:
            raise _malformed("its typ is another one")
        key = keys.get(str(header.get("kid")))
        if key is None:
            raise InvalidInputError("the status event is by no known key", code="unknown_key")
        key.verify(jws.signing_input, jws.signature, str(header["alg"]))
        try:
            claims = msgspec.json.decode(jws.payload_bytes, type=_Claims)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(str(error)) from error
        if claims.iss != issuer or claims.iat - leeway > now:
            raise _malformed("it is of another issuer, or from the future")
        return _event_of(claims)

    def _events(self) -> _Events:
        if self.is_heartbeat:
            return _Events(heartbeat=_Nothing())
        revoked = tuple(mark for mark in self.marks if mark.value == INVALID)
        changed = tuple(mark for mark in self.marks if mark.value != INVALID)
        return _Events(
            revoked=_Statuses(revoked) if revoked else None,
            changed=_Statuses(changed) if changed else None,
            lists=_Lists(self.lists) if self.lists else None,
            keys=_Keys("jwk", "revoke", self.keys) if self.keys else None,
        )


def _event_of(claims: _Claims) -> StatusEvent:
    events = claims.events
    marks = (events.revoked.statuses if events.revoked else ()) + (events.changed.statuses if events.changed else ())
    if events.revoked and any(mark.value != INVALID for mark in events.revoked.statuses):
        raise _malformed("a status that is revoked has another value")
    event = StatusEvent(
        issuer=claims.iss,
        issued_at=claims.iat,
        seq=claims.seq,
        bundle_seq=claims.bundle_seq,
        marks=marks,
        lists=events.lists.uris if events.lists else (),
        keys=events.keys.kids if events.keys and events.keys.change_type == "revoke" else (),
    )
    if event.is_heartbeat is not (events.heartbeat is not None):
        raise _malformed("it tells of nothing, or of something and nothing at once")
    return event


def _malformed(why: str) -> InvalidInputError:
    return InvalidInputError(f"malformed status event: {why}", code="malformed_status_event")
