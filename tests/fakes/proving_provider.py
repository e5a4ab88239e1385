"""A provider that verifies proofs of possession for real, over real HTTP, and remembers every request."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from remit.dpop import Proof, verify_proof
from remit.errors import ProofRefusedError
from remit.replay import ReplayCache


@dataclass(frozen=True)
class Call:
    """One request: its path, `Authorization`, the number of `DPoP` headers, the verified proof or why there is none."""

    path: str
    authorization: str | None
    proofs: int
    proof: Proof | None
    refused: str | None
    body: bytes


class ProvingProvider:
    """Accepts any token with a good proof.

    Attributes:
        nonce: what proofs must carry; None: nothing. Told in `DPoP-Nonce` to whoever has another one.
        calls: every request.
        redirects: by path, the status and where to.
        refused: tokens that it does not take.
    """

    def __init__(self) -> None:
        self.url = ""
        self.nonce: str | None = None
        self.calls: list[Call] = []
        self.redirects: dict[str, tuple[int, str]] = {}
        self.refused: set[str] = set()
        self._replays = ReplayCache()

    def look(self, method: str, path: str, authorization: str | None, proofs: list[str], body: bytes) -> Call:
        """Judge one request."""
        scheme, _, token = (authorization or "").partition(" ")
        proof, refused = None, "not one proof"
        if scheme == "DPoP" and len(proofs) == 1:
            proof, refused = self._verified(method, path, token, proofs[0])
        call = Call(path, authorization, len(proofs), proof, refused, body)
        self.calls.append(call)
        return call

    def _verified(self, method: str, path: str, token: str, proof: str) -> tuple[Proof | None, str | None]:
        """The proof, or why it is refused."""
        nonce, now = self.nonce, int(time.time())
        check = None if nonce is None else lambda given: given == nonce
        try:
            verified = verify_proof(
                proof, method=method, url=self.url + path, now=now, access_token=token, nonce_check=check
            )
            self._replays.use(verified, now=now)
        except ProofRefusedError as error:
            return None, error.code if error.code == "use_dpop_nonce" else error.detail
        return verified, None


@contextmanager
def proving_provider() -> Iterator[ProvingProvider]:
    """Serve one."""
    provider = ProvingProvider()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = self.headers
            proofs = headers.get_all("DPoP") or []
            call = provider.look(self.command, self.path, headers.get("Authorization"), proofs, body)
            if self.path in provider.redirects:
                status, target = provider.redirects[self.path]
                self._answer(status, {"Location": target})
            elif call.refused == "use_dpop_nonce":
                challenge = 'DPoP algs="ES256", error="use_dpop_nonce"'
                self._answer(401, {"WWW-Authenticate": challenge, "DPoP-Nonce": provider.nonce or ""})
            elif call.refused or (call.authorization or "").removeprefix("DPoP ") in provider.refused:
                self._answer(401, {"WWW-Authenticate": 'DPoP error="invalid_token"'})
            else:
                self._answer(200, {})

        do_GET = do_POST  # noqa: N815  # the base class looks the method up by this name

        def _answer(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
