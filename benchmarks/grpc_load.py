"""A gRPC load generator that costs next to nothing: frames made once, answers only counted. It measures the server alone."""

import selectors
import socket
import struct
from collections.abc import Sequence
from time import perf_counter

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


class Call:
    """One unary call, ready to be sent on any stream."""

    def __init__(self, path: str, message: bytes) -> None:
        fields = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", path.encode()),
            (b":authority", b"localhost"),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            (b"workload.spiffe.io", b"true"),
        ]
        self.headers = b"".join(_literal(name, value) for name, value in fields)
        self.body = b"\0" + struct.pack(">I", len(message)) + message

    def frames(self, stream: int) -> bytes:
        """The frames of one request."""
        headers = _frame(_HEADERS, _END_HEADERS, stream, self.headers)
        return headers + _frame(_DATA, _END_STREAM, stream, self.body)


class Connection:
    """One client connection with one call at a time."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        windows = _frame(_SETTINGS, 0, 0, struct.pack(">HI", 4, 2**31 - 1))
        self.socket.sendall(_PREFACE + windows + _frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1 - 65535)))
        self._stream = -1
        self._pending = b""
        self.failed = False

    def send(self, call: Call) -> None:
        """Start the next call."""
        self._stream += 2
        self.socket.sendall(call.frames(self._stream))

    def receive(self) -> bool:
        """Read what is there; True when the call has ended."""
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


class Load:
    """Connections that are kept between rounds."""

    def __init__(self, path: str, connections: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._connections = [Connection(path) for _ in range(connections)]
        for connection in self._connections:
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def run(self, calls: Sequence[Call]) -> float:
        """Make the calls, one at a time on each connection; calls a second. Raises RuntimeError when one fails."""
        waiting = iter(calls)
        left = len(calls)
        started = perf_counter()
        for connection, call in zip(self._connections, waiting, strict=False):
            connection.send(call)
        while left:
            for key, _ in self._selector.select():
                connection = key.data
                if connection.receive():
                    left -= 1
                    call = next(waiting, None)
                    if call is not None:
                        connection.send(call)
        elapsed = perf_counter() - started
        if any(connection.failed for connection in self._connections):
            raise RuntimeError("a call failed")
        return len(calls) / elapsed

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.socket.close()
