"""A real `python -m sidecar` process, joined to some issuer."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx


class SidecarProcess:
    """Start it with `start`; `stop` sends SIGTERM and waits.

    Attributes:
        folder: its state and sockets; short, because socket paths are.
    """

    def __init__(self, issuer: str, folder: Path | None = None) -> None:
        self.issuer = issuer
        self.folder = folder or Path(tempfile.mkdtemp(prefix="rs-"))
        self.sockets = self.folder / "s"
        self.process: subprocess.Popen[bytes] | None = None
        self.ready: dict[str, Any] = {}

    @property
    def endpoint(self) -> str:
        return f"unix://{self.sockets}/workload.sock"

    def start(
        self, join_token: str | None = "remit_join_test", arguments: Sequence[str] = (), *, wait: bool = True
    ) -> None:
        reading, writing = os.pipe()
        environment = {**os.environ, "REMIT_JOIN_TOKEN": join_token or ""}
        command = [sys.executable, "-m", "sidecar", "--issuer", self.issuer, "--state-dir", str(self.folder / "state")]
        command += ["--socket-dir", str(self.sockets), "--ready-fd", str(writing), *arguments]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, pass_fds=[writing], stderr=log)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            if wait:
                line = pipe.readline()
                assert line, self.output()
                self.ready = json.loads(line)

    def output(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(15)

    def http(self) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=str(self.sockets / "remit.sock"))
        return httpx.Client(transport=transport, base_url="http://sidecar", timeout=20)
