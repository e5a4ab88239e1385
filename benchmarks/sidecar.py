"""The sidecar: a cached token over gRPC and over HTTP, a new audience each time, memory at rest.

Nothing is left out of it: every call looks at its caller again and at the status of what it gives. The issuer is real and
durable. Each client connection is one caller; "64 at once" are 64 connections.
"""

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks._sidecar_domain import Domain, running
from benchmarks._unix_load import Connection, GRPCConnection, HTTPConnection, Load
from benchmarks.harness.figures import Figure, Settings
from benchmarks.harness.pairs import Round, compare
from sidecar.workload_api import messages

_METHOD = "/SpiffeWorkloadAPI/FetchJWTSVID"
_AUDIENCE = "https://api.example.com"
_TOKEN_BYTES = 800


def run(settings: Settings) -> Iterator[Figure]:
    """The sidecar's rows."""
    rounds = 5 if settings.quick else 25
    with running() as domain, _echo("grpc", domain) as grpc, _echo("http", domain) as http:
        yield _memory(domain)
        for connections, count in ((1, 200), (64, 1280)):
            yield _cached_grpc(domain, grpc, connections, count, rounds)
        for connections, count in ((1, 200), (64, 1280)):
            yield _cached_http(domain, http, connections, count, rounds)
        yield _new_audiences(domain, grpc, rounds)


def _cached_grpc(domain: Domain, echo: str, connections: int, count: int, rounds: int) -> Figure:
    name = f"sidecar, cached token, gRPC, {connections} at once"
    requests = [_request(_AUDIENCE)] * count
    with (
        _load(lambda: GRPCConnection(domain.workload, _METHOD), connections) as ours,
        _load(lambda: GRPCConnection(echo, _METHOD), connections) as theirs,
    ):
        baseline = _round(theirs, requests)
        return compare(name, _round(ours, requests), "bare grpclib echo", baseline, target=0.9, rounds=rounds)


def _cached_http(domain: Domain, echo: str, connections: int, count: int, rounds: int) -> Figure:
    name = f"sidecar, cached token, HTTP, {connections} at once"
    requests = [json.dumps({"audience": _AUDIENCE}).encode()] * count
    with (
        _load(lambda: HTTPConnection(domain.remit, "/v1/token"), connections) as ours,
        _load(lambda: HTTPConnection(echo, "/v1/token"), connections) as theirs,
    ):
        baseline = _round(theirs, requests)
        return compare(name, _round(ours, requests), "aiohttp echo, Unix socket", baseline, target=0.6, rounds=rounds)


def _new_audiences(domain: Domain, echo: str, rounds: int) -> Figure:
    numbers = itertools.count()
    with (
        _load(lambda: GRPCConnection(domain.workload, _METHOD), 64) as ours,
        _load(lambda: GRPCConnection(echo, _METHOD), 64) as theirs,
    ):

        def new(_number: int) -> int:
            return ours.run([_request(f"https://api-{next(numbers)}.example.com") for _ in range(640)])

        baseline = _round(theirs, [_request(_AUDIENCE)] * 640)
        name = "sidecar, a new audience each time, 64 at once"
        return compare(name, new, "bare grpclib echo", baseline, target=0.6, rounds=rounds)


def _memory(domain: Domain) -> Figure:
    status = Path(f"/proc/{domain.sidecar_pid}/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    megabytes = int(resident.split()[1]) / 1024
    return Figure("sidecar, resident memory at rest", "", megabytes, 55, unit="MB", lower_is_better=True)


def _request(audience: str) -> bytes:
    return bytes(messages.message_class("JWTSVIDRequest")(audience=[audience]).SerializeToString())


def _round(load: Load, requests: list[bytes]) -> Round:
    return lambda _number: load.run(requests)


@contextmanager
def _load(connect: Callable[[], Connection], connections: int) -> Iterator[Load]:
    load = Load(connect, connections)
    try:
        yield load
    finally:
        load.close()


@contextmanager
def _echo(kind: str, domain: Domain) -> Iterator[str]:
    path = str(domain.folder / f"echo-{kind}.sock")
    command = [sys.executable, "-m", "benchmarks._unix_echo", kind, path, str(_TOKEN_BYTES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        if process.stdout is None or not process.stdout.readline():
            raise RuntimeError("the echo server did not start")
        yield path
        process.terminate()
