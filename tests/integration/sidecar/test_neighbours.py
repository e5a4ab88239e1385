"""What one local user does to the sidecar is not felt by another."""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.sidecar_process import SidecarProcess

STRANGER = 12345
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="acts as two users")

HASHED = """
def ask():
    body = b'{"audience":"x"}'
    head = b"POST /v1/token HTTP/1.1\\r\\nHost: x\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n"
    while True:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(sys.argv[1])
            connection.sendall(head % len(body) + body)
            answers.append(connection.recv(4096))
answers = []
for _ in range(20):
    threading.Thread(target=ask, daemon=True).start()
deadline = time.monotonic() + 20
while not any(b"overloaded" in answer for answer in answers) and time.monotonic() < deadline:
    os.utime(sys.executable)
    time.sleep(0.02)
print("overloaded", flush=True)
while True:
    os.utime(sys.executable)
    time.sleep(0.02)
"""


@contextmanager
def stranger(program: str | Path, source: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Python `source`, run by another user with `program`; killed in the end.

    It becomes that user once it has imported what it needs: the interpreter may be in a home that only root may enter.
    """
    become = f"os.setgroups([]); os.setgid({STRANGER}); os.setuid({STRANGER})"
    process = subprocess.Popen(
        [
            program,
            "-c",
            f"import http.client, json, os, resource, socket, sys, threading, time\n{become}\n{source}",
            *arguments,
        ],
        env={"PYTHONHOME": sys.base_prefix, "LD_LIBRARY_PATH": f"{sys.base_prefix}/lib"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def open_to_all(sidecar: SidecarProcess) -> SidecarProcess:
    """The sidecar, in a folder that strangers may enter."""
    sidecar.folder.chmod(0o755)
    return sidecar


def fetch(sidecar: SidecarProcess, audience: str) -> float:
    """Seconds until a new connection has its token."""
    began = time.monotonic()
    with sidecar.http() as client:
        assert client.post("/v1/token", json={"audience": audience}).status_code == 200
    return time.monotonic() - began


def test_a_program_that_takes_long_to_hash_delays_its_own_user_only(open_to_all: SidecarProcess) -> None:
    """Half a gigabyte that changes all the time, asked about by twenty threads: they are overloaded, nobody else waits."""
    program = open_to_all.folder / "python"
    shutil.copy(os.path.realpath(sys.executable), program)
    os.truncate(program, 400 << 20)
    os.chown(program, STRANGER, STRANGER)
    with stranger(program, HASHED, str(open_to_all.sockets / "remit.sock")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "overloaded\n"
        assert max(fetch(open_to_all, f"https://{number}.example.com") for number in range(3)) < 1.5


LAUNCH = """
connection = http.client.HTTPConnection("sidecar")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect(sys.argv[1])
for script in sys.argv[2:]:
    child = os.fork()
    if child == 0:
        time.sleep(60)
    body = {"pid": child, "executable": "/bin/sh", "argv": ["sh"], "script": script}
    connection.request("POST", "/v1/launches", json.dumps(body), {"Content-Type": "application/json"})
    print(json.dumps(json.loads(connection.getresponse().read()).get("detail")), flush=True)
    os.kill(child, 9)
"""


def test_a_launcher_learns_nothing_about_files_that_it_may_not_read(open_to_all: SidecarProcess) -> None:
    """What is there, what is not, and what is no file are refused in the same words; a script of its own is taken."""
    own, hidden = open_to_all.folder / "agent.py", open_to_all.folder / "hidden"
    own.touch()
    hidden.mkdir(mode=0o700)
    (hidden / "secret").touch()
    (hidden / "folder").mkdir()
    names = [str(own), *(str(hidden / name) for name in ("secret", "folder", "missing"))]
    with stranger(sys.executable, LAUNCH, str(open_to_all.sockets / "remit.sock"), *names) as process:
        assert process.stdout is not None
        said = [json.loads(line) for line in process.stdout]
    assert said[0] is None
    assert {text.replace(name, "…") for text, name in zip(said[1:], names[1:], strict=True)} == {
        "'…' is not a file of at most 64 MiB that the launcher may read"
    }


CONNECT = """
resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)
held = []
for number in range(int(sys.argv[1])):
    held.append(socket.socket(socket.AF_UNIX))
    held[-1].connect(sys.argv[2 + number % 2])
print("connected", flush=True)
time.sleep(60)
"""


@pytest.fixture
def soft_limit() -> Iterator[None]:
    """What is started now has the soft limit of descriptors that systems give by default."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("soft_limit")
def test_a_user_who_connects_without_end_keeps_nobody_else_out(open_to_all: SidecarProcess) -> None:
    """Its connections beyond its share are refused, on both sockets; the sidecar has descriptors left for others."""
    sockets = [str(open_to_all.sockets / name) for name in ("workload.sock", "remit.sock")]
    with stranger(sys.executable, CONNECT, "1400", *sockets) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "connected\n"
        fetch(open_to_all, "https://api.example.com")
        with open_to_all.http() as client:
            assert "remit_sidecar_connections_refused_total 0.0" not in client.get("/metrics").text
