"""Who the caller is: launched programs, their children and shells, execve behind a connection, pids that are used again."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import agent_script
from tests.fakes.sidecar_issuer import FakeIssuer
from tests.fakes.sidecar_process import SidecarProcess

LAUNCHER = Path(__file__).parents[2] / "fakes" / "launcher.py"
NOTHING_LAST_PID = not os.access("/proc/sys/kernel/ns_last_pid", os.W_OK) or os.getuid() != 0


class Launched:
    """A program that was launched, and what its launcher was told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.told: dict[str, Any] = {}

    def do(self, line: str) -> dict[str, Any]:
        """Tell the program one thing; its answer."""
        self.say(line)
        return self.answer()

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return dict(json.loads(self.process.stdout.readline()))

    def read_told(self) -> None:
        assert self.process.stderr is not None
        self.told = json.loads(self.process.stderr.readline())


Launch = Callable[..., "contextmanager[Launched]"]


@pytest.fixture
def script(sidecar: SidecarProcess) -> Callable[[str], Path]:
    """Make a script of its own hash: the agent program with a comment behind it."""

    def make(name: str) -> Path:
        path = sidecar.folder / f"{name}.py"
        shutil.copy(agent_script.__file__, path)
        with path.open("a") as file:
            file.write(f"\n# {name}\n")
        return path

    return make


@pytest.fixture
def launch(sidecar: SidecarProcess) -> Any:
    """Launch a script with python, as a launcher does."""

    @contextmanager
    def launched(script: Path, *, wait: bool = True, **plan: Any) -> Iterator[Launched]:
        remit = str(sidecar.sockets / "remit.sock")
        argv = [sys.executable, str(script), remit]
        given = {"launch": {"script": str(script)}, "executable": sys.executable, "argv": argv, "socket": remit, **plan}
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, "-P", str(LAUNCHER), json.dumps(given)], stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        program = Launched(process)
        if wait:
            program.read_told()
        try:
            yield program
        finally:
            process.communicate()

    return launched


def sha256(path: Path) -> str:
    return f"launch:script-sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@pytest.fixture
def planner(issuer: FakeIssuer, script: Callable[[str], Path]) -> Path:
    """A script that is agent acme/planner by its hash, and by nothing else."""
    issuer.entries.clear()
    path = script("planner")
    issuer.register("acme/planner", sha256(path))
    return path


def test_two_agents_under_one_interpreter(
    issuer: FakeIssuer, script: Callable[[str], Path], launch: Any, planner: Path
) -> None:
    """The same user and the same interpreter: each script is its own agent, and neither gets the other's identity."""
    writer = script("writer")
    issuer.register("acme/writer", sha256(writer))
    with launch(planner) as first, launch(writer) as second:
        assert (first.do("fetch")["agent"], second.do("fetch")["agent"]) == ("acme/planner", "acme/writer")
        assert first.do("fetch acme/writer")["code"] == "no_entry"
        assert second.do("fetch acme/planner")["code"] == "no_entry"


def test_children_and_shells_of_a_launched_program_have_no_launch(launch: Any, planner: Path) -> None:
    """A forked child and a shell that connect on their own are not what was launched."""
    with launch(planner) as program:
        assert program.do("fetch")["agent"] == "acme/planner"
        assert program.do("fork")["code"] == "no_entry"
        assert program.do("shell")["code"] == "no_entry"
        assert program.do("fetch")["agent"] == "acme/planner"


@pytest.mark.parametrize("how", ["exec", "exec-shell"])
def test_exec_ends_the_launch_for_good(launch: Any, planner: Path, how: str) -> None:
    """After an execve, of the same interpreter and script too, old and new connections have lost the identity."""
    with launch(planner) as program:
        assert program.do("held")["agent"] == "acme/planner"
        program.say(how)
        assert program.do("held")["code"] == "no_entry"
        assert program.do("fetch")["code"] == "no_entry"


def test_a_program_that_was_not_launched_has_no_launch(sidecar: SidecarProcess, planner: Path) -> None:
    """Running the very script without a launcher proves nothing."""
    remit = str(sidecar.sockets / "remit.sock")
    answer = subprocess.check_output([sys.executable, str(planner), remit], input=b"fetch\n")
    assert json.loads(answer)["code"] == "no_entry"


def test_a_launched_program_is_only_the_agent_it_was_launched_as(
    issuer: FakeIssuer, launch: Any, planner: Path
) -> None:
    """With an agent named at launch, entries of others are not even asked for."""
    issuer.register("acme/other", f"unix:uid:{os.getuid()}")
    with launch(planner, launch={"script": str(planner), "agent": "acme/planner"}) as program:
        assert program.do("fetch")["agent"] == "acme/planner"
        assert program.do("fetch acme/other")["code"] == "no_entry"
    assert {request.get("agent") for request in issuer.requests} == {"acme/planner"}


def test_a_call_before_the_report_waits(launch: Any, planner: Path) -> None:
    """A program that calls before its launcher reported waits for the report, and is then who it is."""
    with launch(planner, wait=False, report_after=0.5) as program:
        assert program.do("fetch")["agent"] == "acme/planner"


def test_a_call_is_never_answered_while_the_launch_is_pending(issuer: FakeIssuer, launch: Any, planner: Path) -> None:
    """Without a report the caller is nobody yet, although an entry by uid alone would match."""
    issuer.register("acme/anyone", f"unix:uid:{os.getuid()}")
    with launch(planner, wait=False, report_after=None) as program:
        assert program.do("fetch")["code"] == "launch_pending"


@pytest.mark.parametrize(
    ("lie", "found"),
    [
        ({"executable": "/bin/sh"}, "does not run the declared executable"),
        ({"argv": [sys.executable, "/another.py"]}, "has other arguments"),
        ({"argv": [sys.executable]}, "has other arguments"),
    ],
)
def test_a_launch_that_runs_something_else_is_dropped(
    launch: Any, planner: Path, lie: dict[str, object], found: str
) -> None:
    """What runs must be what was declared; otherwise there are no launch facts."""
    with launch(planner, launch={"script": str(planner), **lie}) as program:
        status, problem = program.told["started"]
        assert (status, problem["code"]) == (403, "evidence_refused")
        assert found in problem["detail"]
        assert program.do("fetch")["code"] == "no_entry"


def test_a_script_that_is_replaced_during_the_launch_is_dropped(launch: Any, planner: Path) -> None:
    """The bytes that were hashed must still be there when the program has started."""
    with launch(planner, wait=False, report_after=1.0) as program:
        assert program.process.stdout is not None
        replaced = planner.with_suffix(".new")
        shutil.copy(planner, replaced)
        threading.Timer(0.5, replaced.rename, [planner]).start()
        program.read_told()
        status, problem = program.told["started"]
        assert (status, problem["detail"]) == (403, "the script was replaced while it was launched")


@pytest.mark.parametrize("pid", [os.getpid(), 1, 2**31 - 1], ids=["own", "init", "nobody"])
def test_only_the_parent_registers_a_launch(sidecar: SidecarProcess, pid: int) -> None:
    """A process that is not the caller's child cannot be given launch facts."""
    with sidecar.http() as http:
        body = {"pid": pid, "executable": sys.executable, "argv": [sys.executable]}
        answer = http.post("/v1/launches", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "evidence_refused")


def test_a_script_that_is_not_there_is_refused(launch: Any, planner: Path) -> None:
    """A launch names files as its child sees them."""
    with launch(planner, launch={"script": "/nowhere/agent.py"}) as program:
        status, problem = program.told["register"]
        assert (status, problem["code"]) == (403, "evidence_refused")


def test_a_forked_child_with_its_parents_connection_speaks_for_the_parent(launch: Any, planner: Path) -> None:
    """The kernel names who connected: handing on a connection is handing on its identity, while its owner lives."""
    with launch(planner) as program:
        assert program.do("fork-held")["agent"] == "acme/planner"


@pytest.mark.skipif(NOTHING_LAST_PID, reason="needs root, to choose the next pid")
def test_a_pid_that_is_used_again_is_not_the_caller(sidecar: SidecarProcess) -> None:
    """A connection outlives its owner in another process; a new process under the owner's pid does not revive it."""
    ours, theirs = socket.socketpair()
    owner = subprocess.Popen([sys.executable, "-c", _OWNER, str(sidecar.sockets / "remit.sock")], stdin=theirs)
    _, (descriptor,), _, _ = socket.recv_fds(ours, 1, 1)
    connection = socket.socket(fileno=descriptor)
    assert agent_script_ask(connection)["agent"] == "acme/planner"
    ours.send(b"x")
    owner.wait(10)
    with _process_with_pid(owner.pid):
        answer = agent_script_ask(connection)
    assert answer["code"] == "evidence_refused"
    connection.close()
    ours.close()
    theirs.close()


_OWNER = """
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
control = socket.socket(fileno=0)
socket.send_fds(control, [b"x"], [connection.fileno()])
control.recv(1)
"""


def agent_script_ask(connection: socket.socket) -> dict[str, Any]:
    return agent_script.ask(connection, {"audience": "https://api.example.com"})


@contextmanager
def _process_with_pid(pid: int) -> Iterator[None]:
    for _ in range(200):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        process = subprocess.Popen(["/bin/sleep", "30"])
        if process.pid == pid:
            break
        process.kill()
        process.wait()
    else:
        pytest.skip("the pid was always taken by somebody else")
    yield
    process.kill()
    process.wait()
