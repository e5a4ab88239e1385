"""A real issuer as a process of its own on loopback, and clients that speak to it as an operator and as a sidecar do."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from remit.dpop import create_proof

AUDIENCE = "https://api.example.com"
ISSUER = (sys.executable, "-m", "issuer")
_STOP_SECONDS = 15


class StartError(RuntimeError):
    """The process ended before it was ready; the text is its stderr."""


def initialize(folder: Path, *options: str, extra: str = "") -> Path:
    """Make a data folder with a free port and return the configuration's path; `extra` TOML is added at its end."""
    words = [*ISSUER, "init", str(folder), "--trust-domain", "example.org", "--listen", "127.0.0.1:0", *options]
    subprocess.run(words, check=True, capture_output=True, timeout=30)
    path = folder / "remit.toml"
    path.write_text(path.read_text() + extra)
    return path


class IssuerProcess:
    """A running issuer.

    Attributes:
        url: its public URL.
        process: the process.
    """

    def __init__(
        self, config: Path, *, program: tuple[str, ...] = ISSUER, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start `program` and wait until it is ready."""
        self.folder = config.parent
        self._log = (self.folder.parent / f"{self.folder.name}.log").open("ab+")
        reader, writer = os.pipe()
        self.process = subprocess.Popen(
            [*program, "--config", str(config), "--ready-fd", str(writer)],
            pass_fds=(writer,),
            stderr=self._log,
            env={**os.environ, **(environment or {})},
        )
        os.close(writer)
        with os.fdopen(reader) as ready:
            self.url = ready.readline().strip()
        if not self.url:
            self.process.wait(_STOP_SECONDS)
            said = self.log()
            self._log.close()
            raise StartError(said)
        token = json.loads((self.folder / "operator.json").read_text())["token"]
        self.operator = httpx.Client(
            base_url=f"{self.url}/v1/admin", headers={"Authorization": f"Bearer {token}"}, verify=False
        )
        self.http = httpx.Client(base_url=self.url)
        self._held: list[Any] = [self.operator, self.http, self._log]

    def log(self) -> str:
        """What it wrote to stderr so far."""
        self._log.seek(0)
        return self._log.read().decode()

    def post(self, path: str, **body: Any) -> Any:
        """An operator's request that must succeed."""
        answer = self.operator.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def register(
        self, agent: str, *selectors: str, sidecar: str | None = None, scope: Any = None, bound: bool = False
    ) -> None:
        """Register an agent with its account (once), one entry and a standing grant."""
        account = agent.partition("/")[0]
        self.operator.post("/accounts", json={"name": account, "owner": "ana@example.org"})
        self.post("/agents", agent=agent)
        self.post("/entries", agent=agent, selectors=list(selectors), sidecar=sidecar, bound=bound)
        self.post("/grants", agent=agent, **({"scope": scope} if scope else {}))

    def joined(self, name: str = "edge-1") -> "SidecarClient":
        """A sidecar that has just joined."""
        sidecar = SidecarClient(self.url)
        self.hold(sidecar.http)
        sidecar.join(self.post("/join-tokens", sidecar=name)["token"])
        return sidecar

    def hold(self, client: httpx.Client) -> None:
        """Close `client` together with this issuer."""
        self._held.append(client)

    def stop(self) -> int:
        """Ask it to stop; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_STOP_SECONDS)

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.wait(_STOP_SECONDS)

    def close(self) -> None:
        """End it if it still runs, and free what is held."""
        if self.process.poll() is None:
            self.kill()
        for held in self._held:
            held.close()


@contextmanager
def running(config: Path, **options: Any) -> Iterator[IssuerProcess]:
    """An issuer that is gone when the block ends."""
    issuer = IssuerProcess(config, **options)
    try:
        yield issuer
    finally:
        issuer.close()


class SidecarClient:
    """Speaks to the issuer as a sidecar does: a key, a session, a proof for each request."""

    def __init__(self, url: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.session: str | None = None
        self.nonce: str | None = None
        self.url = url
        self.http = httpx.Client(base_url=url)

    def join(self, token: str) -> None:
        """Join with a token."""
        answer = self.post("/v1/attest/join", {"attestor": "join_token", "evidence": {"token": token}})
        assert answer.is_success, answer.text
        self.session = answer.json()["session"]

    def post(self, path: str, content: Any) -> httpx.Response:
        """A proved request; once more when the nonce was old."""
        answer = self._once(path, content)
        return self._once(path, content) if answer.headers.get("DPoP-Nonce") and answer.status_code == 401 else answer

    def issue(self, *requests: dict[str, Any]) -> list[dict[str, Any]]:
        """The results of `/v1/issue`."""
        answer = self.post("/v1/issue", {"requests": requests})
        assert answer.is_success, answer.text
        return answer.json()["results"]

    def _once(self, path: str, content: Any) -> httpx.Response:
        body = json.dumps(content).encode()
        proof = create_proof(
            self.key,
            "POST",
            self.url + path,
            now=int(time.time()),
            nonce=self.nonce,
            body=body,
            access_token=self.session,
        )
        headers = {"DPoP": proof, "Content-Type": "application/json"}
        if self.session is not None:
            headers["Authorization"] = f"DPoP {self.session}"
        answer = self.http.post(path, content=body, headers=headers)
        self.nonce = answer.headers.get("DPoP-Nonce", self.nonce)
        return answer


def process_evidence(uid: int) -> dict[str, Any]:
    """The evidence of a process of this uid."""
    return {"attestor": "process", "uid": uid, "gid": uid}


def wanted(uid: int = 1000, **more: Any) -> dict[str, Any]:
    """One request of `/v1/issue`."""
    return {"evidence": process_evidence(uid), "audience": AUDIENCE, **more}
