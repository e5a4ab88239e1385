"""A verifier reduced to what the issuer sees of it: raw HTTP, no checks of its own."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.fakes.issuer_process import IssuerProcess


class RawVerifier:
    """One instance of a provider's verifiers.

    Attributes:
        instance: its id.
        head: what the answer to its registration named.
    """

    def __init__(self, issuer: IssuerProcess, credential: str, name: str = "raw", **more: Any) -> None:
        """Prepare to speak to `issuer`; nothing is sent."""
        self.instance = secrets.token_urlsafe(16)
        self.head = -1
        self._said = {"instance": self.instance, "name": name, "bound_ms": 15_000, "on_stale": "deny", **more}
        self.connect(issuer, credential)

    def connect(self, issuer: IssuerProcess, credential: str) -> None:
        """Speak to this issuer from now on."""
        headers = {"Authorization": f"Bearer {credential}"}
        self.http = httpx.Client(base_url=issuer.url, headers=headers, timeout=10)
        issuer.hold(self.http)

    def register(self, **more: Any) -> "RawVerifier":
        """Register, or again."""
        answer = self.http.post("/status/verifiers", json=self._said | more)
        assert answer.status_code == 200, answer.text
        self.head = answer.json()["seq"]
        return self

    def ack(self, seq: int) -> httpx.Response:
        """Say that it enforces `seq`."""
        return self.http.post(f"/status/verifiers/{self.instance}/acks", json={"seq": seq})

    def leave(self) -> httpx.Response:
        """Say goodbye."""
        return self.http.delete(f"/status/verifiers/{self.instance}")

    @contextmanager
    def acknowledging(self) -> Iterator[list[int]]:
        """Listen to the events and acknowledge each head that they name; yields those that were acknowledged."""
        acknowledged: list[int] = []
        with self.http.stream("GET", "/status/events", params={"verifier": self.instance}) as stream:
            assert stream.status_code == 200, stream.read()
            reader = threading.Thread(target=self._follow, args=(stream, acknowledged))
            reader.start()
            try:
                yield acknowledged
            finally:
                stream.close()
                reader.join(10)

    def _follow(self, stream: httpx.Response, acknowledged: list[int]) -> None:
        try:
            for line in stream.iter_lines():
                if line.startswith("id: ") and (seq := int(line[4:])) not in acknowledged:
                    assert self.ack(seq).status_code == 204
                    acknowledged.append(seq)
        except (httpx.HTTPError, httpx.StreamError, RuntimeError, OSError):
            return


def register_provider(issuer: IssuerProcess, name: str = "shop") -> str:
    """Register a provider; returns its credential."""
    return issuer.post("/providers", name=name, audiences=["https://api.example.com"])["credential"]
