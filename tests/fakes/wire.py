"""HTTP/1.1 as it is on the wire: requests that no client library would send, and what came back."""

import contextlib
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: 0 when the connection ended without an answer.
        headers: names in lower case.
        body: as it is.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """Connections to one server, a TCP address in a URL or the path of a Unix socket."""

    def __init__(self, where: str, *, timeout: float = 15) -> None:
        self._where = where
        self._timeout = timeout

    def connect(self) -> socket.socket:
        """A new connection."""
        if "://" not in self._where:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(self._timeout)
            connection.connect(self._where)
            return connection
        parts = urlsplit(self._where)
        return socket.create_connection((parts.hostname, parts.port), self._timeout)

    def send(
        self, method: str, path: str, headers: Iterable[tuple[str, str | bytes]] = (), body: bytes = b""
    ) -> Answer:
        """One request with exactly these headers, `Host`, `Content-Length` and `Connection: close` beside them."""
        given = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers]
        length = [(b"Content-Length", b"%d" % len(body))] if body or method == "POST" else []
        lines = [b"%s: %s" % header for header in [(b"Host", b"x"), (b"Connection", b"close"), *length, *given]]
        return self.raw(b"\r\n".join([f"{method} {path} HTTP/1.1".encode(), *lines, b"", body]))

    def raw(self, data: bytes) -> Answer:
        """These bytes and nothing else."""
        with self.connect() as connection:
            with contextlib.suppress(OSError):  # the server may answer and hang up before it has read it all
                connection.sendall(data)
            return read(connection)


def read(connection: socket.socket) -> Answer:
    """The last answer on a connection that the server closes."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            received += part
    while received.startswith(b"HTTP/1.1 1"):  # 100 Continue
        received = received.partition(b"\r\n\r\n")[2]
    if not received:
        return Answer(0, {}, b"")
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split()[1]), headers, body)
