"""One HTTP connection on which every wait ends at a deadline: finding the host, connecting, TLS, sending and receiving."""

import http.client
import socket
import ssl
from time import monotonic
from typing import Final

from remit.reasons import reason_of
from remit.verifier.addresses import Address, Addresses

_CHUNK: Final = 65536


class BoundedConnection(http.client.HTTPConnection):
    """A connection to one of a host's addresses; no wait on it lasts beyond `deadline`.

    Attributes:
        deadline: of the monotonic clock.
        address: which of the addresses it is connected to, or None.
    """

    def __init__(self, host: str, port: int, addresses: Addresses, tls: ssl.SSLContext | None) -> None:
        """To `host`, over TLS where `tls` is given; nothing is opened yet."""
        super().__init__(host, port)
        self._server_name = host
        self._addresses = addresses
        self._tls_context = tls
        self.deadline = 0.0
        self.address: Address | None = None
        self._open_socket: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the first address that answers; each may use up its share of the time that is left.

        Raises:
            OSError: none does; every reason is told.
        """
        self.address = None
        addresses = self._addresses.find(self.remaining())
        reasons = []
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            ends = monotonic() + self.remaining() / left
            try:
                self._open_socket = self._open(address, ends)
            except OSError as error:
                reasons.append(reason_of(error))
            else:
                self.sock, self.address = _BoundedSocket(self._open_socket, self), address
                return
        raise OSError("; ".join(dict.fromkeys(reasons)))

    def take_socket(self) -> socket.socket:
        """The socket, for whoever reads what answers the request that was sent as it arrives; it no longer blocks.

        Raises:
            OSError: it is not connected.
        """
        if self._open_socket is None:
            raise OSError("not connected")
        self._open_socket.setblocking(False)
        return self._open_socket

    def drop(self) -> None:
        """Close the socket too: `close` alone leaves it to an answer that is yet to be read."""
        self.close()
        if self._open_socket is not None:
            self._open_socket.close()

    def _open(self, address: Address, ends: float) -> socket.socket:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            sock.settimeout(_until(ends))
            sock.connect(address.place)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls_context is not None:
                sock.settimeout(_until(ends))
                sock = self._tls_context.wrap_socket(sock, server_hostname=self._server_name)
        except BaseException:
            sock.close()
            raise
        return sock

    def remaining(self) -> float:
        """The seconds that are left; raises `TimeoutError` when none are."""
        return _until(self.deadline)


class _BoundedSocket:
    """The part of a socket that `http.client` uses, where one slow byte at a time does not extend the wait."""

    def __init__(self, sock: socket.socket, connection: BoundedConnection) -> None:
        self._sock = sock
        self._connection = connection

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._connection.remaining())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> "_BoundedReader":
        return _BoundedReader(self._sock, self._connection)

    def close(self) -> None:
        """`http.client` calls this before it reads the answer when nothing follows that; see `BoundedConnection.drop`."""


class _BoundedReader:
    """The part of a file that `http.client` reads from.

    Not an `io.BufferedReader`: that has a lock, which the refreshing thread may hold at the moment of a fork, and then the child
    waits for it for ever as soon as it drops the connection.
    """

    def __init__(self, sock: socket.socket, connection: BoundedConnection) -> None:
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


def _until(ends: float) -> float:
    left = ends - monotonic()
    if left <= 0:
        raise TimeoutError("no complete answer in time")
    return left
