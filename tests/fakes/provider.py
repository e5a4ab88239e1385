"""An API provider that accepts what a test tells it to, over real HTTP on loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeProvider:
    """Answers 200 to the tokens in `accepted` and 401 to others.

    Attributes:
        calls: of every request, the Authorization header and the body.
        redirects: by path, where to send a request instead.
    """

    def __init__(self) -> None:
        self.url = ""
        self.accepted = {"secret-1"}
        self.calls: list[tuple[str | None, bytes]] = []
        self.redirects: dict[str, str] = {}


@contextmanager
def run_fake_provider() -> Iterator[FakeProvider]:
    """Serve a fake provider."""
    fake = FakeProvider()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            authorization = self.headers.get("Authorization")
            fake.calls.append((authorization, self._body()))
            if target := fake.redirects.get(self.path):
                self._answer(307, ("Location", target))
            else:
                self._answer(200 if (authorization or "").removeprefix("Bearer ") in fake.accepted else 401)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _answer(self, status: int, *headers: tuple[str, str]) -> None:
            self.send_response(status)
            for name, value in (("Content-Length", "0"), *headers):
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
