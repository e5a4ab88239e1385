"""Status events as they go out: Security Event Tokens in the framing of server-sent events.

An event is signed and framed once in a process; the same bytes go to everybody, and are held once however many have not read them yet.
"""

from dataclasses import dataclass
from typing import Final

from issuer.keys import KeyService, Purpose
from remit.secevent import StatusEvent

MEDIA_TYPE: Final = "text/event-stream"
"""The content type of the stream (HTML Living Standard, section 9.2)."""


@dataclass(frozen=True, slots=True)
class SignedEvent:
    """An event, signed and framed.

    Attributes:
        seq: its number; its id in the stream.
        kind: `status` or `heartbeat`; its name in the stream.
        kid: the status key that signed it.
        frame: as it stands in the stream.
        chunk: the frame as one chunk of HTTP/1.1 (RFC 9112, section 7.1).
    """

    seq: int
    kind: str
    kid: str
    frame: bytes
    chunk: bytes


class EventSigner:
    """Signs events with the status key of one issuer."""

    def __init__(self, keys: KeyService) -> None:
        """Sign with the key that `keys` says is active."""
        self._keys = keys

    def signed(self, event: SignedEvent, *, now: int) -> bool:
        """Whether `event` is by the key that signs at `now`; one by a key before that may not be trusted any more."""
        return event.kid == self._keys.signer(Purpose.STATUS, now=now).key.kid

    def sign(self, event: StatusEvent, *, now: int) -> SignedEvent:
        """Sign and frame an event at `now`, unix seconds.

        Raises:
            ConfigurationError: no status key is active.
        """
        signer = self._keys.signer(Purpose.STATUS, now=now)
        kind = "heartbeat" if event.is_heartbeat else "status"
        token = event.sign(signer.private_key, signer.key.kid)
        frame = f"id: {event.seq}\nevent: {kind}\ndata: {token}\n\n".encode("ascii")
        return SignedEvent(event.seq, kind, signer.key.kid, frame, b"%x\r\n%b\r\n" % (len(frame), frame))
