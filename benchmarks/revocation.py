"""Revocation: how long it takes from the operator's request until every connected verifier refuses.

The issuer is the real one on a SQLite file; 200 registered verifiers, each with a connection of its own, are threads of ten other
processes. A verifier counts from the moment at which a check of the revoked status is refused, not from when an event arrived.
"""

import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.harness.figures import Figure, Settings
from tests.fakes.issuer_process import AUDIENCE, IssuerProcess, initialize, running
from tests.fakes.many_verifiers import VerifierProcess

_VERIFIERS = 200
_PROCESSES = 10
_REVOCATIONS = 200
_PAUSE_SECONDS = 0.05


def run(settings: Settings) -> Iterator[Figure]:
    """The revocation row."""
    revocations = 20 if settings.quick else _REVOCATIONS
    with tempfile.TemporaryDirectory() as folder, running(initialize(Path(folder) / "data")) as issuer:
        grants = _grants(issuer, revocations)
        credential = issuer.post("/providers", name="bench", audiences=[AUDIENCE])["credential"]
        with ExitStack() as stack:
            share = _VERIFIERS // _PROCESSES
            processes = [stack.enter_context(VerifierProcess(issuer.url, credential, share)) for _ in range(_PROCESSES)]
            for process in processes:
                process.ready()
            times = [_revoke(issuer, processes, grant) for grant in grants]
    low, median, high = statistics.quantiles(times, n=4)
    slowest = statistics.quantiles(times, n=100)[98]
    detail = f"median {median:.0f} ms; {_VERIFIERS} loopback round trips take {_round_trips():.0f} ms"
    yield Figure(
        f"revoke, until refused at each of {_VERIFIERS} connected verifiers, 99th percentile",
        "",
        slowest,
        100,
        unit="ms",
        low=low,
        high=high,
        detail=detail,
        lower_is_better=True,
        samples=tuple(round(each, 2) for each in times),
    )


def _grants(issuer: IssuerProcess, count: int) -> list[tuple[str, str]]:
    """Grants for as many tasks: their ids, and where their status is."""
    issuer.register("acme/planner", "unix:uid:1000")
    grants = [issuer.post("/grants", agent="acme/planner", task=f"task-{number}") for number in range(count)]
    return [(each["id"], f"{issuer.url}/statuslists/{each['status_list']} {each['status_index']}") for each in grants]


def _revoke(issuer: IssuerProcess, processes: Sequence[VerifierProcess], grant: tuple[str, str]) -> float:
    """Revoke one grant; the milliseconds until the last verifier refuses."""
    name, status = grant
    for process in processes:
        process.refused_at(status)
    time.sleep(_PAUSE_SECONDS)
    began = time.time_ns()
    issuer.post("/revoke", what=f"grant:{name}", reason="benchmark")
    return (max(moment for process in processes for moment in process.moments()) - began) / 1e6


def _round_trips() -> float:
    """The milliseconds that as many round trips over loopback take, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_echo, args=(server,), daemon=True).start()
        with socket.create_connection(server.getsockname()) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            began = time.perf_counter()
            for _ in range(_VERIFIERS):
                client.sendall(b"x")
                client.recv(1)
            return (time.perf_counter() - began) * 1e3


def _echo(server: socket.socket) -> None:
    peer, _ = server.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with peer:
        while data := peer.recv(1):
            peer.sendall(data)
