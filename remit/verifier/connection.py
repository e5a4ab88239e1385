"""One connection to an issuer on which every wait ends at a deadline: finding the host, connecting, TLS, sending and receiving."""

import socket
import ssl
from time import monotonic
from typing import Final

from remit.reasons import reason_of
from remit.verifier.addresses import Address, Addresses

_CHUNK: Final = 65536


class BoundedConnection:
    """A connection to one of a host's addresses; no wait on it lasts beyond `deadline`.

    Attributes:
        deadline: of the monotonic clock.
        address: which of the addresses it is connected to, or None.
    """

    def __init__(self, host: str, addresses: Addresses, tls: ssl.SSLContext | None) -> None:
        """To `host`, which is at `addresses`, over TLS where `tls` is given; nothing is opened yet."""
        self._host = host
        self._addresses = addresses
        self._tls = tls
        self._socket: socket.socket | None = None
        self.deadline = 0.0
        self.address: Address | None = None

    def send(self, data: bytes) -> None:
        """Send all of `data`, once connected.

        Raises:
            OSError: it cannot be connected, or is closed; `TimeoutError` at the deadline.
        """
        sock = self._socket or self._connect()
        sock.settimeout(self._remaining())
        sock.sendall(data)

    def receive(self) -> bytes:
        """What arrives next, at least a byte; nothing once the other side has closed.

        Raises:
            OSError: it is not connected, or broken; `TimeoutError` at the deadline.
        """
        sock = self.opened()
        sock.settimeout(self._remaining())
        return sock.recv(_CHUNK)

    def opened(self) -> socket.socket:
        """The open socket, for who waits for it.

        Raises:
            OSError: it is not connected.
        """
        if self._socket is None:
            raise OSError("not connected")
        return self._socket

    def close(self) -> None:
        """Close it, without a word to the other side: in a forked child it is the parent's."""
        sock, self._socket, self.address = self._socket, None, None
        if sock is not None:
            sock.close()

    def _connect(self) -> socket.socket:
        """Connect to the first address that answers; each may use up its share of the time that is left."""
        addresses = self._addresses.find(self._remaining())
        reasons = []
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            ends = monotonic() + self._remaining() / left
            try:
                self._socket = self._open(address, ends)
            except OSError as error:
                reasons.append(reason_of(error))
            else:
                self.address = address
                return self._socket
        raise OSError("; ".join(dict.fromkeys(reasons)))

    def _open(self, address: Address, ends: float) -> socket.socket:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            sock.settimeout(_until(ends))
            sock.connect(address.place)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock.settimeout(_until(ends))
                sock = self._tls.wrap_socket(sock, server_hostname=self._host)
        except BaseException:
            sock.close()
            raise
        return sock

    def _remaining(self) -> float:
        return _until(self.deadline)


def _until(ends: float) -> float:
    left = ends - monotonic()
    if left <= 0:
        raise TimeoutError("no complete answer in time")
    return left
