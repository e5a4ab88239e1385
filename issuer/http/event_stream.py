"""A subscriber's connection: events are written to it as they come, without a task for each.

What is handed over is written at once, or waits in the connection's buffer. Who lets too much wait there is dropped: a bound in bytes here, and
one in time in the kernel, which gives up a peer that takes nothing (`TCP_USER_TIMEOUT`, RFC 5482).
"""

import asyncio
import socket
from typing import Final

from aiohttp import HttpVersion11, web

from issuer.status.events import SignedEvent

MAX_WAITING_BYTES: Final = 512 * 1024
"""The most that waits for a subscriber here; two dozen of the largest events."""

KERNEL_BUFFER_BYTES: Final = 64 * 1024
"""What the kernel may hold beside that: left to itself it would take megabytes."""

STALLED_SECONDS: Final = 20
"""A peer that has something to take and takes nothing for so long is given up."""


class EventStream:
    """The connection of one subscriber, once its headers are sent."""

    __slots__ = ("_chunked", "_ended", "_transport")

    def __init__(self, request: web.Request, ended: asyncio.Event) -> None:
        """Write to the connection of `request`; `ended` is set by whoever ends it.

        Raises:
            ConnectionError: it is gone.
        """
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the subscriber is gone")
        self._transport = transport
        self._chunked = request.version >= HttpVersion11
        self._ended = ended
        _bound_kernel(transport)

    def send(self, event: SignedEvent) -> None:
        """See `issuer.status.subscribers.Stream`."""
        if not self._transport.is_closing():
            self._transport.write(event.chunk if self._chunked else event.frame)

    def is_open(self) -> bool:
        """See `issuer.status.subscribers.Stream`."""
        return not self._transport.is_closing()

    def is_stuck(self) -> bool:
        """See `issuer.status.subscribers.Stream`."""
        return self._transport.get_write_buffer_size() > MAX_WAITING_BYTES

    def drop(self) -> None:
        """See `issuer.status.subscribers.Stream`."""
        self._transport.abort()

    def end(self) -> None:
        """See `issuer.status.subscribers.Stream`."""
        self._ended.set()


def _bound_kernel(transport: asyncio.Transport) -> None:
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER_BYTES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_SECONDS * 1000)
