"""Load generators that cost next to nothing: requests made once, answers only counted. They measure the server alone."""

import selectors
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Protocol

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_FRAME = struct.Struct(">BHBBI")


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    length = len(payload)
    return _FRAME.pack(length >> 16, length & 0xFFFF, kind, flags, stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """A header field without indexing (RFC 7541 section 6.2.2); names and values shorter than 127 bytes."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


class Connection(Protocol):
    """A client connection with one request at a time."""

    socket: socket.socket
    failed: bool

    def send(self, request: bytes) -> None:
        """Start the next request."""

    def receive(self) -> bool:
        """Read what is there; True when the answer is complete."""


class GRPCConnection:
    """A unary method; a request is an encoded message."""

    def __init__(self, path: str, method: str) -> None:
        fields = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", method.encode()),
            (b":authority", b"localhost"),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            (b"workload.spiffe.io", b"true"),
        ]
        self.failed = False
        self._headers = b"".join(_literal(name, value) for name, value in fields)
        self._stream = -1
        self._pending = b""
        self.socket = _connect(path)
        windows = _frame(_SETTINGS, 0, 0, struct.pack(">HI", 4, 2**31 - 1))
        self.socket.sendall(_PREFACE + windows + _frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1 - 65535)))

    def send(self, request: bytes) -> None:
        """See `Connection`."""
        self._stream += 2
        headers = _frame(_HEADERS, _END_HEADERS, self._stream, self._headers)
        body = b"\0" + struct.pack(">I", len(request)) + request
        self.socket.sendall(headers + _frame(_DATA, _END_STREAM, self._stream, body))

    def receive(self) -> bool:
        """See `Connection`."""
        data = self._pending + self.socket.recv(1 << 18)
        ended, at = False, 0
        while len(data) - at >= 9:
            high, low, kind, flags, stream = _FRAME.unpack_from(data, at)
            end = at + 9 + (high << 16 | low)
            if end > len(data):
                break
            ended |= kind == _HEADERS and bool(flags & _END_STREAM) and stream == self._stream
            self.failed |= kind == _RST_STREAM
            if kind in (_SETTINGS, _PING) and not flags & _ACK:
                self.socket.sendall(_frame(kind, _ACK, 0, data[at + 9 : end] if kind == _PING else b""))
            at = end
        self._pending = data[at:]
        return ended


class HTTPConnection:
    """POST of JSON over HTTP/1.1; a request is the body."""

    def __init__(self, path: str, target: str) -> None:
        self.failed = False
        self._head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
        self._pending = b""
        self.socket = _connect(path)

    def send(self, request: bytes) -> None:
        """See `Connection`."""
        self._pending = b""
        self.socket.sendall(f"{self._head}{len(request)}\r\n\r\n".encode() + request)

    def receive(self) -> bool:
        """See `Connection`."""
        self._pending += self.socket.recv(1 << 16)
        head, blank, body = self._pending.partition(b"\r\n\r\n")
        if not blank:
            return False
        self.failed |= not head.startswith(b"HTTP/1.1 200")
        length = next(line for line in head.splitlines() if line.lower().startswith(b"content-length"))
        return len(body) >= int(length.split()[1])


class Load:
    """Connections that are kept between rounds."""

    def __init__(self, connect: Callable[[], Connection], connections: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._connections = [connect() for _ in range(connections)]
        for connection in self._connections:
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def run(self, requests: Sequence[bytes]) -> int:
        """Make the requests, one at a time on each connection; return how many. Raises RuntimeError when one fails."""
        waiting = iter(requests)
        left = len(requests)
        for connection, request in zip(self._connections, waiting, strict=False):
            connection.send(request)
        while left:
            for key, _ in self._selector.select():
                connection = key.data
                if connection.receive():
                    left -= 1
                    if (request := next(waiting, None)) is not None:
                        connection.send(request)
        if any(connection.failed for connection in self._connections):
            raise RuntimeError("a request failed")
        return len(requests)

    def close(self) -> None:
        """Close the connections."""
        self._selector.close()
        for connection in self._connections:
            connection.socket.close()


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection
