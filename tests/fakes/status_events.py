"""The stream of status events and the registration of verifiers of `PublicIssuer`, with a switch for each way to misbehave."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from remit.secevent import StatusEvent, StatusMark

CREDENTIAL = "remit_prov_0123456789abcdefghijkl"


class Frame(NamedTuple):
    """One event on its way to a subscriber."""

    event: StatusEvent
    signed: str

    @property
    def data(self) -> bytes:
        """As it is on the wire."""
        kind = "heartbeat" if self.event.is_heartbeat else "status"
        return f"id: {self.event.seq}\nevent: {kind}\ndata: {self.signed}\n\n".encode()


class EventFeed:
    """Serves events to every subscriber.

    Attributes:
        heartbeat_seconds: between two heartbeats.
        transform: what becomes of each frame: the bytes that are sent instead, in their order.
        heartbeat_changes: members of heartbeats that are not what they should be.
        signing_key: signs in place of the issuer's status key.
        refusal: status, headers and body that subscribers get instead.
        holding: whether everything is held back, the head of the answer included, as by a proxy that buffers.
        content_type: of the answer.
        subscriptions: the query and headers of each subscriber that came.
    """

    def __init__(self, issuer):
        self._issuer = issuer
        self._log: list[StatusEvent] = []
        self._changed = threading.Condition()
        self._epoch = 0
        self.heartbeat_seconds = 0.1
        self.transform: Callable[[Frame], Iterable[bytes]] = lambda frame: [frame.data]
        self.heartbeat_changes = {}
        self.signing_key = None
        self.refusal: tuple[int, dict[str, str], bytes] | None = None
        self.holding = False
        self.content_type = "text/event-stream"
        self.subscriptions: list[tuple[dict[str, list[str]], dict[str, str]]] = []

    def publish(self, *, marks=(), lists=(), keys=()):
        """Tell of a change that was just made."""
        event = StatusEvent(
            issuer=self._issuer.url,
            issued_at=self._issuer.now(),
            seq=self._issuer.seq,
            bundle_seq=self._issuer.sequence,
            marks=tuple(StatusMark(self._issuer.list_uri(number), index, value) for number, index, value in marks),
            lists=tuple(lists),
            keys=tuple(keys),
        )
        with self._changed:
            self._log.append(event)
            self._changed.notify_all()

    def cut(self):
        """End every open stream."""
        with self._changed:
            self._epoch += 1
            self._changed.notify_all()

    def serve(self, handler):
        """Answer one subscriber until it leaves, or is cut off."""
        epoch = self._epoch
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.subscriptions.append((parse_qs(urlsplit(handler.path).query), headers))
        handler.close_connection = True
        if self.refusal is not None:
            handler.answer(*self.refusal)
            return
        while self.holding and epoch == self._epoch:
            time.sleep(0.01)
        handler.send_response(200)
        handler.send_header("Content-Type", self.content_type)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        with contextlib.suppress(OSError):  # it left
            self._serve(handler, epoch, int(headers.get("last-event-id", self._issuer.seq)))

    def heartbeat(self, **changes):
        """A heartbeat as of now."""
        members = {"seq": self._issuer.seq, "bundle_seq": self._issuer.sequence, "issued_at": self._issuer.now()}
        return StatusEvent(issuer=self._issuer.url, **members | self.heartbeat_changes | changes)

    def frame(self, event):
        """An event, signed."""
        key = self.signing_key or self._issuer.status_key
        return Frame(event, event.sign(key.private, key.kid))

    def _serve(self, handler, epoch, position):
        beat_at = 0.0
        while epoch == self._epoch:
            self._issuer.wait_while_paused()
            with self._changed:
                events = [event for event in self._log if event.seq > position]
            if time.monotonic() >= beat_at:
                events.append(self.heartbeat())
                beat_at = time.monotonic() + self.heartbeat_seconds
            for event in events:
                position = max(position, event.seq if not event.is_heartbeat else 0)
                for part in self.transform(self.frame(event)):
                    handler.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            with self._changed:
                if epoch == self._epoch and not any(event.seq > position for event in self._log):
                    self._changed.wait(max(0.0, beat_at - time.monotonic()))


class Verifiers:
    """Keeps the verifiers that registered.

    Attributes:
        credential: the one that is accepted.
        registered: what each instance said when it registered, last.
        enforced: the newest head that each acknowledged, in order: (instance, seq).
        goodbyes: the instances that left.
        shown: every path and `Authorization` that was sent anywhere, in order.
        failure: status, headers and body that every request gets instead.
        on_acknowledged: called with (instance, seq) before an acknowledgement is answered.
        on_goodbye: called with the instance before its goodbye is answered.
    """

    def __init__(self, issuer):
        self._issuer = issuer
        self.credential = CREDENTIAL
        self.registered: dict[str, dict[str, object]] = {}
        self.enforced: list[tuple[str, int]] = []
        self.goodbyes: list[str] = []
        self.shown: list[tuple[str, str | None]] = []
        self.failure: tuple[int, dict[str, str], bytes] | None = None
        self.on_acknowledged: Callable[[str, int], None] = lambda *_: None
        self.on_goodbye: Callable[[str], None] = lambda _: None

    def answer(self, method, path, authorization, body):
        """What is answered: `(status, headers, body)`."""
        if self.failure is not None:
            return self.failure
        if authorization != f"Bearer {self.credential}":
            return 401, {"WWW-Authenticate": "Bearer"}, b'{"code":"unauthenticated"}'
        _, instance, verb = [*path.removeprefix("/status/verifiers").split("/"), "", ""][:3]
        if method == "POST" and not instance:
            said = json.loads(body)
            self.registered[said["instance"]] = said
            head = {"seq": self._issuer.seq, "provider": "acme-api", "heartbeat_seconds": 1}
            return 200, {"Content-Type": "application/json"}, json.dumps(head).encode()
        if instance not in self.registered:
            return 404, {}, b'{"code":"unknown_verifier"}'
        if method == "DELETE":
            self.on_goodbye(instance)
            del self.registered[instance]
            self.goodbyes.append(instance)
        elif verb == "acks":
            seq = json.loads(body)["seq"]
            self.on_acknowledged(instance, seq)
            self.enforced.append((instance, seq))
        return 204, {}, b""
