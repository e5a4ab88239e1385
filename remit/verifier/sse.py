"""A stream of server-sent events as it arrives: an HTTP/1.1 answer (RFC 9112) without end, and the events in it (WHATWG HTML 9.2).

Both parsers take bytes in pieces of any size, keep what is not complete yet, and refuse what is longer than any that Remit sends: a
server can neither make them keep much nor wait for them.
"""

import http.client
import io
import re
from email.message import Message
from enum import Enum, auto
from typing import Final

from remit.errors import InvalidInputError
from remit.secevent import MAX_EVENT_BYTES

_MAX_HEAD_BYTES: Final = 16 * 1024
_MAX_SIZE_BYTES: Final = 256
_MAX_LINE_BYTES: Final = MAX_EVENT_BYTES + 64

_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r?\n", re.DOTALL)
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


class _Part(Enum):
    """What comes next."""

    HEAD = auto()
    SIZE = auto()
    CHUNK = auto()
    CHUNK_END = auto()
    REST = auto()
    NOTHING = auto()


class StreamedAnswer:
    """The answer to one request, taken apart while it arrives.

    Attributes:
        status: the HTTP status; 0 until the head is complete.
        headers: the head's fields, once it is.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: Message[str, str] = Message()
        self._part = _Part.HEAD
        self._buffer = bytearray()
        self._chunk_left = 0

    @property
    def ended(self) -> bool:
        """Whether the body is complete: a stream's never is."""
        return self._part is _Part.NOTHING

    def feed(self, data: bytes) -> bytes:
        """The part of the body that `data` completes.

        Raises:
            InvalidInputError: not an answer in HTTP/1.1, or its head is too long.
        """
        self._buffer += data
        body = bytearray()
        while self._step(body):
            pass
        return bytes(body)

    def _step(self, body: bytearray) -> bool:
        """Take what comes next; whether it was all there."""
        match self._part:
            case _Part.HEAD:
                return self._take_head()
            case _Part.SIZE:
                return self._take_size()
            case _Part.CHUNK:
                return self._take_chunk(body)
            case _Part.CHUNK_END:
                return self._take_chunk_end()
            case _Part.REST:
                body += self._take(len(self._buffer))
        return False

    def _take_head(self) -> bool:
        end = re.search(rb"\r?\n\r?\n", self._buffer)
        if end is None or end.end() > _MAX_HEAD_BYTES:
            return self._wait_for_more(_MAX_HEAD_BYTES, "its head is too long")
        head = self._take(end.end())
        line = _STATUS_LINE.match(head)
        if line is None:
            raise _not_http("it does not begin with a status")
        status = int(line[1])
        if status < 200:  # interim: the answer is yet to come
            return True
        try:
            self.headers = http.client.parse_headers(io.BytesIO(head[line.end() :]))
        except http.client.HTTPException as error:
            raise _not_http("its head has too many fields, or too long ones") from error
        self.status = status
        chunked = self.headers.get("Transfer-Encoding", "").strip().lower() == "chunked"
        self._part = _Part.SIZE if chunked else _Part.REST
        return True

    def _take_size(self) -> bool:
        end = self._buffer.find(b"\n") + 1
        if not 0 < end <= _MAX_SIZE_BYTES:
            return self._wait_for_more(_MAX_SIZE_BYTES, "a chunk's size is too long")
        size = _CHUNK_SIZE.fullmatch(self._take(end))
        if size is None:
            raise _not_http("a chunk has no size")
        self._chunk_left = int(size[1], 16)
        self._part = _Part.CHUNK if self._chunk_left else _Part.NOTHING
        return True

    def _take_chunk(self, body: bytearray) -> bool:
        part = self._take(self._chunk_left)
        body += part
        self._chunk_left -= len(part)
        if self._chunk_left:
            return False
        self._part = _Part.CHUNK_END
        return True

    def _take_chunk_end(self) -> bool:
        if len(self._buffer) < 2:
            return False
        if self._take(2) != b"\r\n":
            raise _not_http("a chunk is longer than its size")
        self._part = _Part.SIZE
        return True

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _wait_for_more(self, limit: int, too_long: str) -> bool:
        if len(self._buffer) > limit:
            raise _not_http(too_long)
        return False


class EventParser:
    """Takes the data out of server-sent events; their names and ids are for others, since only what is signed counts."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._after_return = False

    def feed(self, body: bytes) -> list[bytes]:
        """The data of each event that `body` completes.

        Raises:
            InvalidInputError: a line, or the data of one event, is longer than any status event.
        """
        if self._after_return and body.startswith(b"\n"):
            body = body[1:]  # the second half of a line's end
        if body:
            self._after_return = body.endswith(b"\r")
        *ended, rest = _LINE_END.split(body)
        complete = []
        for part in ended:
            self._extend(part)
            data = self._end_line()
            if data is not None:
                complete.append(data)
        self._extend(rest)
        return complete

    def _extend(self, part: bytes) -> None:
        self._line += part
        if len(self._line) + self._size > _MAX_LINE_BYTES:
            raise InvalidInputError("a line of the event stream is too long", code="malformed_event_stream")

    def _end_line(self) -> bytes | None:
        line = bytes(self._line)
        self._line.clear()
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
                self._size += len(value) + 1
            return None
        data, self._data, self._size = self._data, [], 0
        return b"\n".join(data) if data else None


def _not_http(why: str) -> InvalidInputError:
    return InvalidInputError(f"the answer is not http: {why}", code="malformed_event_stream")
