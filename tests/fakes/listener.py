"""A subscriber of status events over a plain socket: what it gets, byte for byte, and what it leaves unread."""

import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

PATH = "/status/events"


@dataclass(frozen=True)
class Heard:
    """One event of a stream: its `id`, its name and its data."""

    seq: int
    kind: str
    token: str


class Listener:
    """A connection that asked for status events.

    Attributes:
        status: of the answer.
        headers: of the answer, names in lower case.
        heard: every event so far.
    """

    def __init__(
        self,
        url: str,
        *,
        path: str = PATH,
        method: str = "GET",
        headers: Iterable[tuple[str, str]] = (),
        version: str = "1.1",
        receive_buffer: int = 0,
        timeout: float = 10,
    ) -> None:
        """Ask, and read the head of the answer; `receive_buffer` bounds what the kernel takes unread, in bytes."""
        parts = urlsplit(url)
        self.heard: list[Heard] = []
        self._connection = socket.socket()
        if receive_buffer:
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._connection.settimeout(timeout)
        self._input = self._connection.makefile("rb", buffering=8192)
        lines = [f"{method} {path} HTTP/{version}", "Host: x", *(f"{name}: {value}" for name, value in headers), "", ""]
        try:
            self._connection.connect(("127.0.0.1", parts.port))
            self._connection.sendall("\r\n".join(lines).encode())
            first, *fields = iter(self._input.readline, b"\r\n")
        except BaseException:
            self.close()
            raise
        self.status = int(first.split()[1])
        named = (line.decode().partition(":") for line in fields)
        self.headers = {name.lower(): value.strip() for name, _, value in named}
        self._chunked = self.headers.get("transfer-encoding") == "chunked"
        self._text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._input.close()
        self._connection.close()

    def next(self) -> Heard | None:
        """The next event; None once the stream has ended in good order. Raises `ConnectionError` where it is cut off."""
        while "\n\n" not in self._text:
            piece = self._piece()
            if not piece:
                return None
            self._text += piece.decode()
        block, _, self._text = self._text.partition("\n\n")
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        assert fields.keys() == {"id", "event", "data"}
        self.heard.append(Heard(int(fields["id"]), fields["event"], fields["data"]))
        return self.heard[-1]

    def until(self, kind: str, seq: int) -> Heard:
        """The next event of this kind and number."""
        while (event := self.next()) is not None:
            if (event.kind, event.seq) == (kind, seq):
                return event
        raise AssertionError(f"the stream ended before {kind} {seq}: {self.heard}")

    def for_seconds(self, seconds: float) -> list[Heard]:
        """What comes in this time."""
        before, ends = len(self.heard), time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            self._connection.settimeout(left)
            try:
                if self.next() is None:
                    break
            except TimeoutError:
                break
        return self.heard[before:]

    @property
    def changes(self) -> list[int]:
        """The numbers of the changes that it heard of."""
        return [event.seq for event in self.heard if event.kind == "status"]

    def body(self) -> bytes:
        """The rest of an answer that has a length."""
        return self._input.read(int(self.headers.get("content-length", "0")))

    def _piece(self) -> bytes:
        if not self._chunked:
            return self._input.readline()
        size = int(self._input.readline() or "-1", 16)
        piece = self._input.read(max(size, 0))
        if self._input.readline() != b"\r\n":
            raise ConnectionResetError("the stream was cut off")
        return piece
