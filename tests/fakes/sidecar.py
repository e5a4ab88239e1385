"""A sidecar that answers what it is told to, over a real Unix socket."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer

from remit.agent_key import AgentKey
from remit.jose import b64url_encode, thumbprint


class FakeSidecar:
    """Counts requests and numbers the tokens it gives; `refusal`, a status and a problem, makes it refuse.

    Attributes:
        requests: the body of every request but those for the identity.
        targets: the path of each of them.
        issued_at: of the tokens it gives; they live for 300 s.
        serial: the number of the token it gives; it stays the same until a test raises it, like a cached token.
        gate: requests wait until it is set.
        raw: answered instead of a token, when set.
        key: the key that it holds for the agent: its tokens are bound to that, or to the agent's own once that was registered.
        forgets: how many proofs it refuses because it was started anew.
        registered: the bodies of registrations of agents' own keys.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.requests: list[dict[str, object]] = []
        self.targets: list[str] = []
        self.issued_at = 1000
        self.serial = 1
        self.refusal: tuple[int, dict[str, object]] | None = None
        self.raw: bytes | None = None
        self.key: AgentKey | None = None
        self.forgets = 0
        self.registered: list[dict[str, object]] = []
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
        if target == "/v1/key/nonce":
            return 200, b'{"nonce": "issuer-nonce", "url": "https://issuer.example.org/v1/keys"}'
        if target == "/v1/key":
            return self._register(body)
        if target == "/v1/proof":
            return self._proof(body)
        self.requests.append(body)
        self.targets.append(target)
        self.gate.wait(10)
        if self.refusal is not None:
            return self.refusal[0], json.dumps(self.refusal[1]).encode()
        if target == "/v1/tasks/complete" and self.raw is None:
            return 200, b'{"grants": 2}'
        return 200, self.raw if self.raw is not None else json.dumps(self._token(body)).encode()

    def _register(self, body: dict[str, object]) -> tuple[int, bytes]:
        self.registered.append(body)
        if self.refusal is not None:
            return self.refusal[0], json.dumps(self.refusal[1]).encode()
        return 200, b"{}"

    def _proof(self, body: dict[str, object]) -> tuple[int, bytes]:
        if self.forgets or self.key is None:
            self.forgets, self.serial = self.forgets - 1, self.serial + 1
            return 403, b'{"code": "token_not_given", "detail": "this sidecar did not give that token"}'
        made = self.key.proof(
            str(body["method"]),
            str(body["url"]),
            now=int(time.time()),
            access_token=str(body["token"]),
            nonce=None if body.get("nonce") is None else str(body["nonce"]),
        )
        return 200, json.dumps({"proof": made}).encode()

    def _bound_to(self) -> str | None:
        own = self.registered[-1]["jwk"] if self.registered else None
        if isinstance(own, dict):
            return thumbprint(own)
        return None if self.key is None else self.key.thumbprint

    def _text(self, bound_to: str | None) -> str:
        if bound_to is None:
            return f"secret-{self.serial}"
        claims = json.dumps({"serial": self.serial, "cnf": {"jkt": bound_to}}, separators=(",", ":"))
        return f"e30.{b64url_encode(claims.encode())}.AAAA"

    def _token(self, body: dict[str, object]) -> dict[str, object]:
        bound_to = self._bound_to()
        return {
            "token": self._text(bound_to),
            "token_type": "Bearer" if bound_to is None else "DPoP",
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
