"""Server-sent events (WHATWG HTML 9.2) as they arrive: the data of each, and nothing else of them.

The parser takes bytes in pieces of any size and refuses what is longer than any event that Remit sends.
"""

import re
from typing import Final

from remit.errors import InvalidInputError
from remit.secevent import MAX_EVENT_BYTES

_MAX_LINE_BYTES: Final = MAX_EVENT_BYTES + 64
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


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
