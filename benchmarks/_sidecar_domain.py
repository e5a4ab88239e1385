"""A real issuer and a real sidecar that has joined it, for benchmarks."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.fakes.ports import free_port

TRUST_DOMAIN = "example.org"
AGENT = "acme/planner"


@dataclass(frozen=True, slots=True)
class Domain:
    """What runs.

    Attributes:
        folder: everything of it, with room for sockets.
        workload: the Workload API's socket.
        remit: the HTTP API's socket.
        sidecar_pid: the sidecar's process.
    """

    folder: Path
    workload: str
    remit: str
    sidecar_pid: int


@contextlib.contextmanager
def running() -> Iterator[Domain]:
    """Start both; the caller's uid is the agent."""
    with tempfile.TemporaryDirectory(prefix="rb-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        port = free_port()
        url = f"http://localhost:{port}"
        where = ["--listen", f"127.0.0.1:{port}", "--public-url", url, "--trust-domain", TRUST_DOMAIN]
        init = [sys.executable, "-m", "issuer", "init", str(folder / "data"), *where]
        subprocess.run(init, check=True, stdout=subprocess.DEVNULL)
        started(stack, ["-m", "issuer", "--config", str(folder / "data/remit.toml"), "--ready-fd"])
        token = _register(json.loads((folder / "data/operator.json").read_text()))
        arguments = ["--issuer", url, "--state-dir", str(folder / "state"), "--socket-dir", str(folder / "s")]
        environment = {**os.environ, "REMIT_JOIN_TOKEN": token}
        pid = started(stack, ["-m", "sidecar", *arguments, "--ready-fd"], environment)
        yield Domain(folder, str(folder / "s/workload.sock"), str(folder / "s/remit.sock"), pid)


def started(stack: contextlib.ExitStack, arguments: list[str], environment: dict[str, str] | None = None) -> int:
    """Start Python with `arguments`, the last of which takes a descriptor, and wait until it is ready; its pid."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, *arguments, str(writing)], pass_fds=[writing], env=environment, stderr=subprocess.DEVNULL
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    os.close(writing)
    with os.fdopen(reading, "rb") as ready:
        if not ready.readline():
            raise RuntimeError(f"{arguments[1]} did not start")
    return process.pid


def _register(operator: dict[str, str]) -> str:
    headers = {"Authorization": f"Bearer {operator['token']}"}
    with httpx.Client(base_url=operator["issuer"] + "/v1/admin", headers=headers) as admin:
        for path, body in (
            ("accounts", {"name": "acme", "owner": "bench"}),
            ("agents", {"agent": AGENT}),
            ("grants", {"agent": AGENT}),
        ):
            admin.post(f"/{path}", json=body).raise_for_status()
        token = admin.post("/join-tokens", json={"sidecar": "edge-1"}).raise_for_status().json()["token"]
        entry = {"agent": AGENT, "selectors": [f"unix:uid:{os.getuid()}"], "sidecar": "edge-1"}
        admin.post("/entries", json=entry).raise_for_status()
    return str(token)
