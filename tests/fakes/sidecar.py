"""A sidecar that answers what it is told to, over a real Unix socket."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer


class FakeSidecar:
    """Counts requests and numbers the tokens it gives; `refusal`, a status and a problem, makes it refuse.

    Attributes:
        requests: the body of every request but those for the identity.
        targets: the path of each of them.
        issued_at: of the tokens it gives; they live for 300 s.
        serial: the number of the token it gives; it stays the same until a test raises it, like a cached token.
        gate: requests wait until it is set.
        raw: answered instead of a token, when set.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.requests: list[dict[str, object]] = []
        self.targets: list[str] = []
        self.issued_at = 1000
        self.serial = 1
        self.refusal: tuple[int, dict[str, object]] | None = None
        self.raw: bytes | None = None
        self.gate = threading.Event()
        self.gate.set()

    def answer(self, target: str, body: dict[str, object]) -> tuple[int, bytes]:
        """The status and content of the answer to one request."""
        if target == "/v1/identity":
            identity = {
                "agents": ["acme/planner"],
                "trust_domain": "example.org",
                "issuer": "https://issuer.example.org",
            }
            return 200, json.dumps(identity).encode()
        self.requests.append(body)
        self.targets.append(target)
        self.gate.wait(10)
        if self.refusal is not None:
            return self.refusal[0], json.dumps(self.refusal[1]).encode()
        if target == "/v1/tasks/complete" and self.raw is None:
            return 200, b'{"grants": 2}'
        return 200, self.raw if self.raw is not None else json.dumps(self._token(body)).encode()

    def _token(self, body: dict[str, object]) -> dict[str, object]:
        return {
            "token": f"secret-{self.serial}",
            "issued_at": self.issued_at,
            "expires_at": self.issued_at + 300,
            "agent": body.get("agent", "acme/planner"),
            "spiffe_id": "spiffe://example.org/account/acme/agent/planner",
            "audience": body["audience"],
            **({"task": body["task"]} if "task" in body else {}),
        }


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


@contextmanager
def run_fake_sidecar(path: Path) -> Iterator[FakeSidecar]:
    """Serve a fake sidecar at the socket `path`."""
    fake = FakeSidecar(path)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = fake.answer(self.path, json.loads(content or b"{}"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST  # noqa: N815  # the base class looks the method up by this name

        def log_message(self, *args: object) -> None:
            """Stay silent."""

        def address_string(self) -> str:
            return "unix"

    with _Server(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield fake
        finally:
            fake.gate.set()
            server.shutdown()
            thread.join()
