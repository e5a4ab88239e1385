"""A load of prepared HTTP requests over several connections: bytes out, a status and a length in, nothing else.

It costs a small part of what any server does with the requests, so that what is measured is the server.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import uvloop

_LENGTH: Final = b"content-length: "


class Load:
    """Connections to one server. Each sends its next request when the answer to the last one is complete."""

    def __init__(self, port: int, connections: int) -> None:
        """Connect to `port` on loopback."""
        self._loop = uvloop.new_event_loop()
        self._connections = self._loop.run_until_complete(self._connect(port, connections))

    def send(self, requests: Sequence[bytes]) -> int:
        """Send all requests, wait for all answers, and return how many there were; any but a 200 is an error."""
        waiting = iter(requests)
        done = [connection.work(waiting, self._loop.create_future()) for connection in self._connections]
        self._loop.run_until_complete(asyncio.gather(*done))
        return len(requests)

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.transport.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _connect(self, port: int, connections: int) -> "list[_Connection]":
        pairs = [
            await self._loop.create_connection(_Connection, "127.0.0.1", port)  # one after the other: the backlog
            for _ in range(connections)
        ]
        return [protocol for _, protocol in pairs]


class _Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self._received = b""

    def work(self, waiting, done):
        """Send requests of `waiting` one after the other; `done` is set when there are no more."""
        self._waiting, self._done = waiting, done
        self._next()
        return done

    def data_received(self, data):
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = head.lower().partition(_LENGTH)[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._done.set_exception(RuntimeError(f"{head.decode()}\n{body.decode()}"))
            return
        self._received = b""
        self._next()

    def _next(self):
        request = next(self._waiting, None)
        if request is None:
            self._done.set_result(None)
        else:
            self.transport.write(request)


def post(path: str, body: bytes, media_type: str = "application/json", **headers: str) -> bytes:
    """A POST request, as it goes over the wire; `_` in a header's name stands for `-`."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {media_type}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
