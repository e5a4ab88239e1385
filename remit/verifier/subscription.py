"""The subscription to one issuer's status events: opened, read as far as it has come, and opened again after it ended.

It only ever makes things quicker. Whether it is refused, ends, or a proxy holds back what it sends, the lists are polled instead.
"""

import contextlib
import http.client
import logging
import ssl
from math import inf
from typing import Final

from remit.errors import InvalidInputError, UnavailableError
from remit.reasons import reason_of
from remit.verifier.answer import Answer
from remit.verifier.connection import BoundedConnection
from remit.verifier.fetch import AnswerError, Fetcher, Request, parse_retry_after
from remit.verifier.pacing import Backoff
from remit.verifier.sse import EventParser

_LOG: Final = logging.getLogger("remit.verifier")

_MEDIA_TYPE: Final = "text/event-stream"
_CHUNK: Final = 65536
_ROUND_BYTES: Final = 4 * _CHUNK
_FIRST_RETRY_SECONDS: Final = 0.2
_MAX_RETRY_SECONDS: Final = 30.0
_MAX_RETRY_AFTER_SECONDS: Final = 60
_SILENCES: Final = 4
"""After how many times the usual patience a stream that renews nothing is opened anew: its connection may be dead."""


def subscription_headers(after: int) -> dict[str, str]:
    """The headers that ask for the events after number `after`."""
    return {"Accept": _MEDIA_TYPE, "Last-Event-ID": str(after)}


class _Stream:
    """One open stream."""

    def __init__(self, connection: BoundedConnection, now: float) -> None:
        self._connection = connection
        self._socket = connection.opened()
        self._socket.setblocking(False)
        self._answer = Answer()
        self._events = EventParser()
        self.silent_since = now
        self.renewed_at = 0.0
        self.has_more = False
        self.ended = False

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> list[bytes]:
        """The events that have arrived completely, of a bounded number of bytes at once.

        Raises:
            OSError: the connection failed.
            InvalidInputError: what came is no event stream.
            AnswerError: the issuer refused it.
        """
        body = self._answer.feed(self._receive())
        self._check_head()
        self.ended = self.ended or self._answer.ended
        return self._events.feed(body)

    def close(self) -> None:
        self._connection.close()

    def _receive(self) -> bytes:
        received = bytearray()
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            while not self.ended and len(received) < _ROUND_BYTES:
                part = self._socket.recv(_CHUNK)
                received += part
                self.ended = not part
        self.has_more = len(received) >= _ROUND_BYTES
        return bytes(received)

    def _check_head(self) -> None:
        status, headers = self._answer.status, self._answer.headers
        if status not in (0, http.client.OK):
            raise AnswerError(f"it answered {status}", status, parse_retry_after(headers.get("retry-after")))
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if status and (media_type != _MEDIA_TYPE or headers.get("content-encoding", "identity") != "identity"):
            raise InvalidInputError("what it answered is no event stream", code="malformed_event_stream")


class Subscription:
    """Subscribes to one issuer's events, again and again. Used by one thread."""

    def __init__(self, issuer: str, fetcher: Fetcher) -> None:
        """Subscribe at `issuer`, where `fetcher` fetches; nothing is opened yet."""
        self._issuer = issuer
        self._fetcher = fetcher
        self._stream: _Stream | None = None
        self._pace = Backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        self._failure = ""

    @property
    def due(self) -> float:
        """When to call `open`; infinite while one is open."""
        return inf if self._stream is not None else self._pace.due

    @property
    def has_more(self) -> bool:
        """Whether `read` left something that had arrived."""
        return self._stream is not None and self._stream.has_more

    def descriptor(self) -> int | None:
        """The file descriptor that becomes readable when something arrives; None while no stream is open."""
        return None if self._stream is None else self._stream.fileno()

    @property
    def renewed_at(self) -> float:
        """When the open stream last renewed anything; 0 if none is open, or if it never did."""
        return 0.0 if self._stream is None else self._stream.renewed_at

    def open(self, request: Request, *, seconds: float, now: float) -> None:
        """Ask for the stream, within `seconds`; where that fails, `due` says when to try again."""
        try:
            self._stream = _Stream(self._fetcher.begin(request, seconds=seconds), now)
        except UnavailableError as error:
            self._failed(str(error), now)

    def read(self, now: float, patience: float) -> list[bytes]:
        """The events that have arrived, each the signed token; a stream that failed, or was silent for too long, is closed.

        Raises:
            AnswerError: the issuer refused the stream, which is closed.
        """
        stream = self._stream
        if stream is None:
            return []
        try:
            events = stream.read()
        except AnswerError as error:
            self._failed(error.detail, now, at_least=min(error.retry_after, _MAX_RETRY_AFTER_SECONDS))
            raise
        except (OSError, InvalidInputError) as error:
            self._failed(error.detail if isinstance(error, InvalidInputError) else reason_of(error), now)
            return []
        if stream.ended:
            self._failed("the stream ended", now)
        elif now > stream.silent_since + _SILENCES * patience:
            self._failed("nothing new comes on the stream", now)
        return events

    def renewed(self, now: float) -> None:
        """What was read made something fresher: the stream is good."""
        if self._stream is not None:
            self._stream.silent_since = self._stream.renewed_at = now
            self._pace.succeeded()
            if self._failure:
                _LOG.info("status events of %s come again", self._issuer)
            self._failure = ""

    def spoil(self, why: str, now: float) -> None:
        """Close the stream: what it brings is of no use."""
        self._failed(why, now)

    def close(self) -> None:
        """Close the stream, without a reason to wait before the next."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _failed(self, why: str, now: float, at_least: float = 0.0) -> None:
        self.close()
        self._pace.failed(now, at_least)
        if why != self._failure:
            _LOG.info("no status events of %s, its lists are polled: %s", self._issuer, why)
        self._failure = why
