"""A TCP relay that stands between verifiers and an issuer and can fail in the ways that networks do."""

import asyncio
import random
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

_CHUNK = 65536


@dataclass
class Faults:
    """What goes wrong at the moment; all of it is off at first.

    Attributes:
        cut_off: new connections are closed at once, and on those that are open nothing passes, in either direction.
        delay_seconds: every piece of an answer waits so long, at most, each for a time of its own.
        duplicate: the share of pieces of event streams that are sent twice.
        cut: the share of pieces of answers after which the connection is cut.
    """

    cut_off: bool = False
    delay_seconds: float = 0.0
    duplicate: float = 0.0
    cut: float = 0.0


class FaultyRelay:
    """Relays connections to `port` on loopback from a thread of its own; a context manager.

    Attributes:
        port: where it listens.
        faults: what goes wrong; set it from any thread.
    """

    def __init__(self, target: int, *, seed: int = 0) -> None:
        self.target = target
        self.faults = Faults()
        self.port = 0
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join(5)

    def hang_up(self) -> None:
        """Cut every connection."""
        self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _end(self) -> None:
        self._cancel()
        self._stop.set()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if not self.faults.cut_off:
                await self._relay(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, forward = await asyncio.open_connection("127.0.0.1", self.target)
        pumps = [asyncio.create_task(self._pump(*way)) for way in ((reader, forward, False), (upstream, writer, True))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*pumps, return_exceptions=True)
            forward.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, answers: bool) -> None:
        while piece := await source.read(_CHUNK):
            faults = self.faults
            if answers and faults.delay_seconds:
                await asyncio.sleep(self._random.uniform(0, faults.delay_seconds))
            while self.faults.cut_off:
                await asyncio.sleep(0.05)
            sink.write(piece)
            if (
                answers
                and b"\nevent: " in piece
                and piece.endswith(b"\r\n")
                and self._random.random() < faults.duplicate
            ):
                sink.write(piece)
            await sink.drain()
            if answers and self._random.random() < faults.cut:
                return
