"""Admission: each user has so many connections; what stands behind the gate is told all that happens."""

import asyncio
import os
import socket
from collections.abc import Callable

from sidecar.admission import Admission
from sidecar.shares import Shares


class Transport(asyncio.Transport):
    """One end of a real socket pair, whose other end is this process."""

    def __init__(self) -> None:
        self.ends = socket.socketpair()
        super().__init__({"socket": self.ends[0]})
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


class Recorder(asyncio.Protocol):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.told.append("made")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def eof_received(self) -> bool:
        self.told.append("eof")
        return True

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


def connected(admission: Admission, factory: Callable[[], asyncio.Protocol]) -> tuple[asyncio.Protocol, bool]:
    """The gate of a new connection, and whether it was hung up on."""
    transport = Transport()
    gate = admission.gate(factory)
    gate.connection_made(transport)
    for end in transport.ends:
        end.close()
    return gate, transport.aborted


def test_everything_reaches_the_protocol_behind() -> None:
    """As if there were no gate."""
    behind = Recorder()
    gate, hung_up = connected(Admission(Shares(1), lambda: None), lambda: behind)
    gate.data_received(b"x")
    gate.pause_writing()
    gate.resume_writing()
    assert gate.eof_received()
    gate.connection_lost(None)
    assert behind.told == ["made", b"x", "pause", "resume", "eof", "lost"]
    assert not hung_up


def test_one_too_many_is_hung_up_on() -> None:
    """It costs nothing but a count; when another of that user closes, the next is let in."""
    refused: list[None] = []
    made: list[Recorder] = []

    def make() -> Recorder:
        made.append(Recorder())
        return made[-1]

    shares = Shares(2)
    admission = Admission(shares, lambda: refused.append(None))
    first, _ = connected(admission, make)
    connected(admission, make)
    third, hung_up = connected(admission, make)
    assert hung_up
    third.data_received(b"too late")
    third.connection_lost(None)
    assert (len(made), len(refused)) == (2, 1)
    first.connection_lost(None)
    assert not connected(admission, make)[1]
    assert not shares.take(os.geteuid())
