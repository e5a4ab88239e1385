"""The answer to one HTTP/1.1 request (RFC 9112), taken apart as it arrives: a document's, or a stream's without end.

It takes bytes in pieces of any size, keeps what is not complete yet, and refuses a head that is longer than any that Remit sends: a
server can neither make it keep much nor wait.
"""

import http.client
import re
from enum import Enum, auto
from typing import Final

from remit.errors import InvalidInputError

_MAX_HEAD_BYTES: Final = 16 * 1024
_MAX_SIZE_BYTES: Final = 256
_MAX_FIELDS: Final = 100
_NO_BODY: Final = (http.client.NO_CONTENT, http.client.NOT_MODIFIED)

_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_LINE_END: Final = re.compile(r"\r?\n")
_STATUS_LINE: Final = re.compile(r"HTTP/1\.([01]) ([1-5][0-9]{2})(?: .*)?")
_FIELD: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r?\n", re.DOTALL)
_LENGTH: Final = re.compile(r"[0-9]{1,15}")


class _Part(Enum):
    """What comes next."""

    HEAD = auto()
    SIZE = auto()
    CHUNK = auto()
    CHUNK_END = auto()
    LAST = auto()
    COUNTED = auto()
    REST = auto()
    NOTHING = auto()


_FOLLOWING: Final = {
    _Part.CHUNK: _Part.CHUNK_END,
    _Part.CHUNK_END: _Part.SIZE,
    _Part.LAST: _Part.NOTHING,
    _Part.COUNTED: _Part.NOTHING,
}


class Answer:
    """One answer.

    Attributes:
        status: the HTTP status; 0 until the head is complete.
        headers: the head's fields by their names in lower case, once it is; values of one name are joined by commas.
        left: how many bytes of the body are yet to come, as far as that was said.
        keeps_connection: whether another request may follow on the connection once it has ended.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.left = 0
        self.keeps_connection = False
        self._part = _Part.HEAD
        self._buffer = bytearray()

    @property
    def is_empty(self) -> bool:
        """Whether nothing has arrived yet."""
        return self._part is _Part.HEAD and not self._buffer

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

    def close(self) -> None:
        """The connection was closed by the other side.

        Raises:
            InvalidInputError: the answer was not complete.
        """
        if self._part is not _Part.REST and not self.ended:
            raise InvalidInputError("the answer was cut off", code="malformed_http")
        self._part = _Part.NOTHING

    def _step(self, body: bytearray) -> bool:
        """Take what comes next; whether it was all there."""
        match self._part:
            case _Part.HEAD:
                return self._take_head()
            case _Part.SIZE:
                return self._take_size()
            case _Part.CHUNK | _Part.COUNTED:
                return self._take_body(body)
            case _Part.CHUNK_END | _Part.LAST:
                return self._take_line_end()
            case _Part.REST:
                body += self._take(len(self._buffer))
        return False

    def _take_head(self) -> bool:
        end = _HEAD_END.search(self._buffer)
        if end is None or end.end() > _MAX_HEAD_BYTES:
            return self._wait_for_more(_MAX_HEAD_BYTES, "its head is too long")
        line, *fields = _LINE_END.split(self._take(end.end()).decode("latin-1").rstrip("\r\n"))
        start = _STATUS_LINE.fullmatch(line)
        if start is None:
            raise _not_http()
        status = int(start[2])
        if status >= 200:  # before it there may be interim ones
            self.headers = _fields(fields)
            self.status = status
            closes = "close" in self.headers.get("connection", "").lower()
            self.keeps_connection = start[1] == "1" and not closes
            self._part = self._body()
        return True

    def _body(self) -> _Part:
        """How the body ends (RFC 9112 section 6.3)."""
        length = self.headers.get("content-length")
        if self.status in _NO_BODY:
            return _Part.NOTHING
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return _Part.SIZE
        if length is None:
            self.keeps_connection = False
            return _Part.REST
        if not _LENGTH.fullmatch(length):
            raise _not_http("its length is no number")
        self.left = int(length)
        return _Part.COUNTED if self.left else _Part.NOTHING

    def _take_size(self) -> bool:
        end = self._buffer.find(b"\n") + 1
        if not 0 < end <= _MAX_SIZE_BYTES:
            return self._wait_for_more(_MAX_SIZE_BYTES, "a chunk's size is too long")
        size = _CHUNK_SIZE.fullmatch(self._take(end))
        if size is None:
            raise _not_http("a chunk has no size")
        self.left = int(size[1], 16)
        self._part = _Part.CHUNK if self.left else _Part.LAST
        return True

    def _take_body(self, body: bytearray) -> bool:
        part = self._take(self.left)
        body += part
        self.left -= len(part)
        if self.left:
            return False
        self._part = _FOLLOWING[self._part]
        return True

    def _take_line_end(self) -> bool:
        if len(self._buffer) < 2:
            return False
        if self._take(2) != b"\r\n":  # trailer fields too are nothing that Remit sends
            raise _not_http("a chunk is longer than its size")
        self._part = _FOLLOWING[self._part]
        return True

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _wait_for_more(self, limit: int, too_long: str) -> bool:
        if len(self._buffer) > limit:
            raise _not_http(too_long)
        if self._part is _Part.HEAD and not b"HTTP/1.".startswith(self._buffer[:7]):
            raise _not_http()
        return False


def _fields(lines: list[str]) -> dict[str, str]:
    if len(lines) > _MAX_FIELDS:
        raise _not_http("its head has too many fields")
    fields: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise _not_http("a field of its head is malformed")
        name, value = field[1].lower(), field[2]
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def _not_http(why: str = "") -> InvalidInputError:
    return InvalidInputError(
        f"the answer is not http: {why}" if why else "the answer is not http", code="malformed_http"
    )
