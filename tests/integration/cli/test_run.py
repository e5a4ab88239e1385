"""`remit run` with real processes and a sidecar that answers what it is told."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.fakes.plain_http import Answer, FakeServer, Request, serve_fake

_ID = {"id": "launch-1"}


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[FakeServer]:
    """A sidecar that accepts every launch."""
    with serve_fake(lambda _request: Answer(200, _ID), tmp_path / "remit.sock") as fake:
        yield fake


def _run(folder: Path, *command: str, options: Sequence[str] = (), **more) -> subprocess.CompletedProcess[str]:
    line = _line(folder, *command, options=options)
    return subprocess.run(line, capture_output=True, text=True, timeout=30, check=False, **more)


def _line(folder: Path, *command: str, options: Sequence[str] = ()) -> list[str]:
    words = ["run", "--agent", "acme/planner", "--socket-dir", str(folder), *options, "--", *command]
    return [sys.executable, "-m", "cli.main", *words]


def test_the_program_runs_registered_and_reported(tmp_path: Path, sidecar: FakeServer):
    """The sidecar hears of the child before it executes, with what it will be, and again when it has."""
    script = tmp_path / "agent.py"
    script.write_text("import os, sys; print(os.getpid(), os.environ['SPIFFE_ENDPOINT_SOCKET'], *sys.argv[1:])")

    ended = _run(tmp_path, sys.executable, str(script), "--verbose")

    register, started = sidecar.requests
    said = ended.stdout.split()
    assert (register.target, started.target) == ("/v1/launches", "/v1/launches/launch-1/started")
    assert register.json() == {
        "pid": int(said[0]),
        "argv": [sys.executable, str(script), "--verbose"],
        "executable": sys.executable,
        "agent": "acme/planner",
        "script": str(script.resolve()),
    }
    assert said[1:] == [f"unix://{tmp_path}/workload.sock", "--verbose"]
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("completed", ""),
        ("shared", ""),
        ("pending", "remit: task t-1 is not known to be complete: the issuer does not answer"),
        ("refused", "remit: task t-1 is not completed: the program was not the agent"),
    ],
)
def test_a_task_is_told_and_its_end_is_asked_for(tmp_path: Path, state: str, said: str):
    """The launch carries the task; when the program has ended, an end that is not confirmed is said. Its exit code stays."""

    def answer(request: Request) -> Answer:
        return Answer(200, {"state": state} if request.target.endswith("/task?wait_seconds=5") else _ID)

    with serve_fake(answer, tmp_path / "remit.sock") as fake:
        ended = _run(tmp_path, "sh", "-c", "sleep 0.2; exit 7", options=["--task", "t-1", "--task-ttl", "60"])

    register, _, asked = fake.requests
    assert (register.json()["task"], register.json()["task_ttl_seconds"]) == ("t-1", 60)
    assert asked.target == "/v1/launches/launch-1/task?wait_seconds=5"
    assert ended.stderr.startswith(said)
    assert bool(ended.stderr) == bool(said)
    assert ended.returncode == 7


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--task-ttl", "60"], "error: --task-ttl without a task\nhint: name the task with --task\n"),
        (["--task", "t 1"], "error: not a task\nhint: use 1 to 128 letters, digits and ._~:@/+=-\n"),
    ],
)
def test_a_wrong_task_stops_the_launch(tmp_path: Path, options: list[str], said: str):
    """A mistake on the command line is said before anything runs."""
    ended = _run(tmp_path, "touch", str(tmp_path / "ran"), options=options)

    assert (ended.returncode, ended.stderr) == (2, said)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("program", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("exit 255", 255), ("true", 0)]
)
@pytest.mark.usefixtures("sidecar")
def test_the_exit_code_is_passed_on(tmp_path: Path, program: str, code: int):
    """128 + n stands for signal n, as in a shell."""
    assert _run(tmp_path, "sh", "-c", program).returncode == code


@pytest.mark.usefixtures("sidecar")
def test_stdin_and_stdout_are_the_programs_own(tmp_path: Path):
    """A pipe through `remit run` is a pipe through the program."""
    assert _run(tmp_path, "cat", input="text\n").stdout == "text\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
@pytest.mark.usefixtures("sidecar")
def test_signals_reach_the_program_once(tmp_path: Path, number: signal.Signals):
    """What is sent to `remit run` is passed on; the program may handle it."""
    program = (
        "import os, signal, time\n"
        f"signal.signal({int(number)}, lambda *_: os.write(1, b'got it\\n') and os._exit(9))\n"
        "os.write(1, b'up\\n')\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(_line(tmp_path, sys.executable, "-c", program), stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "up\n"
        running.send_signal(number)
        assert running.stdout.read() == "got it\n"
    assert running.returncode == 9


@pytest.mark.usefixtures("sidecar")
def test_a_fresh_program_has_default_signals(tmp_path: Path):
    """Nothing of our signal handling is inherited: what is blocked and ignored is what it would be without us."""
    show = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]

    assert _run(tmp_path, *show).stdout == subprocess.run(show, capture_output=True, text=True, check=True).stdout


@pytest.mark.usefixtures("sidecar")
def test_the_program_does_not_outlive_a_killed_launcher(tmp_path: Path):
    """SIGKILL of `remit run` is the end of the program, by the kernel."""
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with subprocess.Popen(_line(tmp_path, sys.executable, "-c", program), stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        pid = int(running.stdout.readline())
        running.kill()
        assert running.stdout.read() == ""  # end of file: the program's end of the pipe is closed too
    with pytest.raises(ProcessLookupError):
        _wait_gone(pid)


def _wait_gone(pid: int) -> None:
    """Raise ProcessLookupError once `pid` is gone; a zombie waits for init to reap it."""
    for _ in range(500):
        os.kill(pid, 0)
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            raise ProcessLookupError
        os.sched_yield()


def test_nothing_runs_when_the_sidecar_refuses(tmp_path: Path):
    """An agent that would not be attested is not started."""
    problem = {"code": "forbidden", "detail": "not your child", "hint": "same pid namespace?"}
    with serve_fake(lambda _request: Answer(403, problem), tmp_path / "remit.sock"):
        ended = _run(tmp_path, "touch", str(tmp_path / "ran"))

    assert ended.returncode == 7
    assert ended.stderr == "error: not your child\nhint: same pid namespace?\n"
    assert not (tmp_path / "ran").exists()


def test_nothing_runs_without_a_sidecar(tmp_path: Path):
    """One line that names the socket, and exit code 4."""
    ended = _run(tmp_path, "touch", str(tmp_path / "ran"))

    assert ended.returncode == 4
    assert ended.stderr.startswith(f"error: no sidecar answers at {tmp_path}/remit.sock")
    assert not (tmp_path / "ran").exists()


def test_a_program_that_is_missing_has_the_shells_exit_code(tmp_path: Path):
    """127, and nothing is registered."""
    ended = _run(tmp_path, "no-such-program")

    assert (ended.returncode, ended.stderr.splitlines()[0]) == (
        127,
        "error: cannot run no-such-program: no such file or directory",
    )


def test_a_program_that_exec_refuses_has_the_shells_exit_code(tmp_path: Path, sidecar: FakeServer):
    """Only exec can tell that this is no program; the launch is then not reported as started."""
    (tmp_path / "broken").write_bytes(b"\x7fELF nonsense")
    (tmp_path / "broken").chmod(0o755)

    ended = _run(tmp_path, str(tmp_path / "broken"))

    assert ended.returncode == 126
    assert "exec format error" in ended.stderr
    assert [request.target for request in sidecar.requests] == ["/v1/launches"]


def test_a_launch_that_is_not_accepted_after_exec_is_said(tmp_path: Path):
    """The program runs on, and people know why it gets no credential."""

    def answer(request: Request) -> Answer:
        return (
            Answer(403, {"detail": "it runs something else"})
            if request.target.endswith("started")
            else Answer(201, _ID)
        )

    with serve_fake(answer, tmp_path / "remit.sock"):
        ended = _run(tmp_path, "sleep", "1")

    assert ended.returncode == 0
    assert ended.stderr == "remit: the program runs without its launch being attested: it runs something else\n"
