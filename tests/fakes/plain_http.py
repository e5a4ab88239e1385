"""A small HTTP server that answers what a test says, on loopback or on a Unix socket, and keeps what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import BaseServer, TCPServer, ThreadingMixIn, UnixStreamServer


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        """The body as a JSON object."""
        return json.loads(self.body or b"{}")


@dataclass(frozen=True)
class Answer:
    """What goes back; a status of 0 hangs up without a word."""

    status: int
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)


class FakeServer:
    """Requests in order, and the URL of a server on loopback."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []


class _TCP(ThreadingMixIn, TCPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Unix(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


@contextmanager
def serve_fake(answer: Callable[[Request], Answer], socket: Path | None = None) -> Iterator[FakeServer]:
    """Serve `answer` on a free loopback port, or on the Unix socket given."""
    fake = FakeServer("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, body)
            fake.requests.append(request)
            self._send(answer(request))

        def _send(self, reply: Answer) -> None:
            if reply.status == 0:
                self.close_connection = True
                return
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _any  # noqa: N815 - the base class looks the methods up by these names

        def address_string(self) -> str:
            return "fake"

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server: BaseServer = _Unix(str(socket), Handler) if socket else _TCP(("127.0.0.1", 0), Handler)
    if isinstance(server, TCPServer) and not socket:
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
