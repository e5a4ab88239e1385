"""Connections to the Workload API on which nothing is asked end; those with an open stream do not."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import h2.connection
import h2.events
import pytest
from grpclib.const import Cardinality, Handler

from sidecar.workload_api.grpclib_private import GRPCServer, ServerStream, receive, reply
from sidecar.workload_api.messages import PassThrough

LONG_AGO = -1.0  # "idle for less than no time": whatever is not busy now


class Service:
    """`/one` answers, `/stream` sends one message and stays."""

    def __init__(self) -> None:
        self.streaming = asyncio.Event()

    def __mapping__(self) -> dict[str, Handler]:
        """Grpclib's port."""
        return {
            "/one": Handler(self._one, Cardinality.UNARY_UNARY, bytes, bytes),
            "/stream": Handler(self._stream, Cardinality.UNARY_STREAM, bytes, bytes),
        }

    async def _one(self, stream: ServerStream) -> None:
        await receive(stream)
        await reply(stream, b"1")

    async def _stream(self, stream: ServerStream) -> None:
        await stream.send_message(b"1")
        self.streaming.set()
        await asyncio.Event().wait()


class Client:
    """One HTTP/2 connection by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._h2 = h2.connection.H2Connection()
        self._h2.initiate_connection()
        self._flush()

    def call(self, path: str) -> None:
        headers = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x"}
        number = self._h2.get_next_available_stream_id()
        self._h2.send_headers(number, [*headers.items(), ("te", "trailers"), ("content-type", "application/grpc")])
        self._h2.send_data(number, b"\0\0\0\0\0", end_stream=True)
        self._flush()

    async def until(self, kind: type[h2.events.Event]) -> None:
        """Read until that has happened; fails when the connection ends first."""
        while data := await self._reader.read(65536):
            events = self._h2.receive_data(data)
            self._flush()
            if any(isinstance(event, kind) for event in events):
                return
        raise ConnectionError("the server hung up")

    async def hung_up(self) -> bool:
        return await self._reader.read(65536) == b""

    def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())


@pytest.fixture
async def service() -> Service:
    return Service()


@pytest.fixture
async def server(service: Service, tmp_path: Path) -> AsyncIterator[GRPCServer]:
    serving = GRPCServer(service, PassThrough(), lambda make: make())
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        await serving.start(sock=listening)
        yield serving
        serving.close()
        await serving.wait_closed()


@asynccontextmanager
async def connected(tmp_path: Path) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
    yield Client(reader, writer)
    writer.close()
    await writer.wait_closed()


async def test_an_idle_connection_ends_with_goaway(server: GRPCServer, tmp_path: Path) -> None:
    """After a call too; so that the client connects anew instead of failing."""
    async with connected(tmp_path) as client:
        client.call("/one")
        await client.until(h2.events.StreamEnded)
        server.end_idle(60.0)
        client.call("/one")
        await client.until(h2.events.StreamEnded)
        server.end_idle(LONG_AGO)
        await client.until(h2.events.ConnectionTerminated)
        assert await client.hung_up()
    server.end_idle(LONG_AGO)


async def test_a_connection_that_never_asked_ends_too(server: GRPCServer, tmp_path: Path) -> None:
    """It holds as many descriptors as any other."""
    async with connected(tmp_path) as client:
        await client.until(h2.events.RemoteSettingsChanged)
        server.end_idle(LONG_AGO)
        await client.until(h2.events.ConnectionTerminated)


async def test_a_stream_of_bundles_is_not_idle(server: GRPCServer, service: Service, tmp_path: Path) -> None:
    """However long nothing changes."""
    async with connected(tmp_path) as client:
        client.call("/stream")
        await service.streaming.wait()
        server.end_idle(LONG_AGO)
        client.call("/one")
        await client.until(h2.events.StreamEnded)
