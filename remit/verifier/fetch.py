"""Fetching what an issuer publishes: https (http only to this host), no redirect, bounded in size and in time.

A connection is kept between the polls. No validator is sent: a 304 would say nothing about how fresh an answer is.
"""

import http.client
import ipaddress
import socket
import ssl
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from remit.errors import ConfigurationError, UnavailableError

MAX_DOCUMENT_BYTES: Final = 512 * 1024

_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "remit"}
_CHUNK: Final = 65536


def check_origin(url: str) -> str:
    """An issuer's URL: `scheme://host[:port]`, nothing more; https, or http to a loopback host.

    Raises:
        ConfigurationError: it is something else.
    """
    try:
        parts = urlsplit(url)
        clean = parts.port != 0 and url == f"{parts.scheme}://{parts.netloc}" and url.isascii()
    except ValueError:
        clean = False
    if not clean or parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
        raise ConfigurationError(
            f"not the url of an issuer: {url[:128]!r}", hint="write it as https://host[:port], without a trailing slash"
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigurationError(f"plain http to {parts.hostname}", hint="use https; http is for this host only")
    return url


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by name (`localhost`) or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Fetcher:
    """GETs documents of one origin over a connection that it keeps. Not for more than one thread."""

    def __init__(self, origin: str, *, tls: ssl.SSLContext | None = None) -> None:
        """Fetch from `origin`, which `check_origin` accepted; `tls` replaces the system's trust."""
        parts = urlsplit(origin)
        self._origin = origin
        self._host = parts.hostname or ""
        self._port = parts.port
        self._tls = (tls or ssl.create_default_context()) if parts.scheme == "https" else None
        self._connection: _BoundedConnection | None = None

    def get(self, url: str, *, seconds: float, max_bytes: int = MAX_DOCUMENT_BYTES) -> bytes:
        """The body of `url`, which must be of this origin.

        Args:
            url: what to fetch.
            seconds: how long the whole exchange may take.
            max_bytes: the largest body accepted.

        Raises:
            UnavailableError: no complete answer with status 200 in that time and size.
        """
        if not url.startswith(self._origin + "/"):
            raise UnavailableError(f"{url[:200]!r} is not of {self._origin}", code="foreign_url")
        path = url[len(self._origin) :]
        deadline = monotonic() + seconds
        kept = self._connection is not None
        try:
            return self._exchange(path, deadline, max_bytes)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            if not kept:  # a connection that was kept may have been closed meanwhile: ask once more on a new one
                raise self._unavailable(url, error) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unavailable(url, error) from error
        try:
            return self._exchange(path, deadline, max_bytes)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unavailable(url, error) from error

    def close(self) -> None:
        """Close the connection; the next `get` opens one again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _exchange(self, path: str, deadline: float, max_bytes: int) -> bytes:
        connection = self._connection
        if connection is None:
            connection = self._connection = _BoundedConnection(self._host, self._port, self._tls)
        connection.deadline = deadline
        try:
            connection.request("GET", path, headers=_HEADERS)
            body = _read(connection.getresponse(), max_bytes)
        except BaseException:
            self.close()
            raise
        return body

    def _unavailable(self, url: str, error: Exception) -> UnavailableError:
        return UnavailableError(f"cannot fetch {url}: {str(error) or type(error).__name__}")


class _BoundedConnection(http.client.HTTPConnection):
    """A connection on which every wait ends at `deadline` (of the monotonic clock)."""

    def __init__(self, host: str, port: int | None, tls: ssl.SSLContext | None) -> None:
        super().__init__(host, port or (443 if tls else 80))
        self._server_name = host
        self._tls_context = tls
        self.deadline = 0.0

    def connect(self) -> None:
        sock = socket.create_connection((self.host, self.port), self.remaining())
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls_context is not None:
                sock.settimeout(self.remaining())
                sock = self._tls_context.wrap_socket(sock, server_hostname=self._server_name)
        except BaseException:
            sock.close()
            raise
        self.sock = _BoundedSocket(sock, self)

    def remaining(self) -> float:
        """The seconds that are left; raises `TimeoutError` when none are."""
        left = self.deadline - monotonic()
        if left <= 0:
            raise TimeoutError("no complete answer in time")
        return left


class _BoundedSocket:
    """The part of a socket that `http.client` uses, where one slow byte at a time does not extend the wait."""

    def __init__(self, sock: socket.socket, connection: _BoundedConnection) -> None:
        self._sock = sock
        self._connection = connection

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._connection.remaining())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> "_BoundedReader":
        return _BoundedReader(self._sock, self._connection)

    def close(self) -> None:
        self._sock.close()


class _BoundedReader:
    """The part of a file that `http.client` reads from.

    Not an `io.BufferedReader`: that has a lock, which the refreshing thread may hold at the moment of a fork, and then the child
    waits for it for ever as soon as it drops the connection.
    """

    def __init__(self, sock: socket.socket, connection: _BoundedConnection) -> None:
        self._sock = sock
        self._connection = connection
        self._buffer = bytearray()

    def readline(self, limit: int) -> bytes:
        """Up to and with the next line feed, at most `limit` bytes; less at the end."""
        while (end := self._buffer.find(b"\n")) < 0 and len(self._buffer) < limit and self._receive():
            pass
        return self._take(limit if end < 0 else min(end + 1, limit))

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes; less at the end."""
        while len(self._buffer) < size and self._receive():
            pass
        return self._take(size)

    def flush(self) -> None:
        """Nothing is written here."""

    def close(self) -> None:
        """Closing is the connection's."""

    def _receive(self) -> bool:
        self._sock.settimeout(self._connection.remaining())
        received = self._sock.recv(_CHUNK)
        self._buffer += received
        return bool(received)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def _read(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    if response.status != http.client.OK:
        raise http.client.HTTPException(f"it answered {response.status}")
    if (response.length or 0) > max_bytes:
        raise http.client.HTTPException(f"it is larger than {max_bytes} bytes")
    body = bytearray()
    while chunk := response.read(_CHUNK):
        body += chunk
        if len(body) > max_bytes:
            raise http.client.HTTPException(f"it is larger than {max_bytes} bytes")
    if response.length:
        raise http.client.IncompleteRead(bytes(body), response.length)
    return bytes(body)
