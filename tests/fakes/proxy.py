"""A small reverse proxy in front of an issuer, which passes answers on as they come or, as some do, holds them back."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

BUFFER_BYTES = 8192


class Proxy:
    """One request per connection; runs in a thread of its own.

    Attributes:
        port: where it listens, on loopback.
        target: the port of the issuer; set before the first request.
        buffers: whether an answer leaves in pieces of 8 KiB only, or once it is complete.
    """

    def __init__(self, *, buffers: bool) -> None:
        self.buffers = buffers
        self.target = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, sock=self._socket)
        await self._stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = None
        try:
            request = await _request(reader)
            answer, upstream = await asyncio.open_connection("127.0.0.1", self.target)
            upstream.write(request)
            passing = asyncio.ensure_future(self._pass_on(answer, writer))
            leaving = asyncio.ensure_future(reader.read())
            _, left = await asyncio.wait((passing, leaving), return_when=asyncio.FIRST_COMPLETED)
            for task in left:
                task.cancel()
            await asyncio.gather(passing, leaving, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for each in (writer, upstream):
                if each is not None:
                    each.close()

    async def _pass_on(self, answer: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held = b""
        while piece := await answer.read(BUFFER_BYTES):
            held += piece
            while held and (len(held) >= BUFFER_BYTES or not self.buffers):
                writer.write(held[:BUFFER_BYTES])
                held = held[BUFFER_BYTES:]
            await writer.drain()
        writer.write(held)
        await writer.drain()


async def _request(reader: asyncio.StreamReader) -> bytes:
    """A whole request, made one that ends its connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(b"connection:")]
    length = next((int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")), 0)
    return b"\r\n".join([*lines, b"Connection: close", b"", await reader.readexactly(length)])


@contextmanager
def proxy(*, buffers: bool) -> Iterator[Proxy]:
    """A proxy that listens; give it its `target`."""
    started = Proxy(buffers=buffers)
    started.start()
    try:
        yield started
    finally:
        started.stop()
