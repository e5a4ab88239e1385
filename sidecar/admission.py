"""Which connections are let in: as many of each user as its share, on both sockets together.

The kernel says whose a connection is (`SO_PEERCRED`). One too many is reset at once, before it costs anything.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from attestors.handle import peer_ids
from sidecar.shares import Shares

Factory = Callable[[], asyncio.Protocol]


class Admission:
    """Lets connections in; `refused` is called for each that is not."""

    def __init__(self, shares: Shares, refused: Callable[[], None]) -> None:
        self._shares = shares
        self._refused = refused

    def gate(self, factory: Factory) -> asyncio.Protocol:
        """What to give an accepted connection: `factory` makes its protocol, once it is let in."""
        return _Gate(factory, self)

    def enter(self, transport: asyncio.BaseTransport) -> int | None:
        """Let a connection in; the uid to `leave` with, or None: hang up."""
        _, uid = peer_ids(transport.get_extra_info("socket"))
        if self._shares.take(uid):
            return uid
        self._refused()
        return None

    def leave(self, uid: int) -> None:
        """A connection of that user has closed."""
        self._shares.give_back(uid)


class _Gate(asyncio.Protocol):
    """Stands before a connection's own protocol for its whole life."""

    __slots__ = ("_admission", "_behind", "_factory", "_uid")

    def __init__(self, factory: Factory, admission: Admission) -> None:
        self._factory = factory
        self._admission = admission
        self._uid: int | None = None
        self._behind = asyncio.Protocol()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._uid = self._admission.enter(transport)
        if self._uid is None:
            cast("asyncio.Transport", transport).abort()
            return
        self._behind = self._factory()
        self._behind.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._uid is not None:
            self._admission.leave(self._uid)
        self._behind.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._behind.data_received(data)

    def eof_received(self) -> bool | None:
        return self._behind.eof_received()

    def pause_writing(self) -> None:
        self._behind.pause_writing()

    def resume_writing(self) -> None:
        self._behind.resume_writing()
