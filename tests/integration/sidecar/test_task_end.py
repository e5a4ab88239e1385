"""Tasks end with the processes that work for them: real launches, and SIGKILL wherever it hurts."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.fakes import agent_script
from tests.fakes.sidecar_issuer import FakeIssuer
from tests.fakes.sidecar_process import SidecarProcess

PLANNER = ("acme/planner", "task-81")
LAUNCHER = Path(__file__).parents[2] / "fakes" / "launcher.py"


class Run:
    """`remit run` with the program that does what it is told on stdin."""

    def __init__(self, sidecar: SidecarProcess, *options: str, agent: str = "acme/planner") -> None:
        remit = str(sidecar.sockets / "remit.sock")
        words = ["run", "--agent", agent, "--socket-dir", str(sidecar.sockets), *options, "--"]
        line = [sys.executable, "-m", "cli.main", *words, sys.executable, agent_script.__file__, remit]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def fetch(self) -> dict[str, Any]:
        """Have the program fetch a token; the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("fetch\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def end(self) -> str:
        """Let the program end; what `remit run` said on stderr."""
        _, said = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, said
        return said

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)


@pytest.fixture
def run(sidecar: SidecarProcess) -> Iterator[Callable[..., Run]]:
    """Run the program for task-81; what still runs at the end of a test is ended."""
    started: list[Run] = []

    def start(*options: str, agent: str = "acme/planner") -> Run:
        started.append(Run(sidecar, "--task", "task-81", *options, agent=agent))
        return started[-1]

    yield start
    for one in started:
        with contextlib.suppress(ValueError):  # it was waited for
            one.kill()


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_task_ends_with_its_program(issuer: FakeIssuer, sidecar: SidecarProcess, run: Callable[..., Run]) -> None:
    """Its tokens are for the task without its asking; when it has ended, the task is complete before `remit run` returns."""
    program = run("--task-ttl", "3600")
    assert program.fetch()["task"] == "task-81"
    assert (issuer.requests[-1]["task"], issuer.requests[-1]["task_ttl_seconds"]) == ("task-81", 3600)
    assert issuer.completed == []
    assert program.end() == ""
    assert issuer.completed == [PLANNER]
    eventually(lambda: json.loads((sidecar.folder / "state" / "tasks.json").read_text()) == [])


def test_the_task_is_on_disk_while_its_program_runs(sidecar: SidecarProcess, run: Callable[..., Run]) -> None:
    """For the sidecar's user only."""
    program = run()
    program.fetch()
    file = sidecar.folder / "state" / "tasks.json"
    (record,) = json.loads(file.read_text())
    assert (record["agent"], record["task"]) == PLANNER
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_program_without_a_task_ends_none(issuer: FakeIssuer, sidecar: SidecarProcess) -> None:
    """`remit run` as it was."""
    assert Run(sidecar).end() == ""
    assert issuer.completed == []
    assert not (sidecar.folder / "state" / "tasks.json").exists()


def test_a_launcher_that_is_killed_ends_the_task_too(issuer: FakeIssuer, run: Callable[..., Run]) -> None:
    """SIGKILL of `remit run` takes the program with it; the sidecar notices by itself."""
    program = run()
    program.fetch()
    program.kill()
    eventually(lambda: issuer.completed == [PLANNER])


def test_the_last_of_several_programs_ends_the_task(issuer: FakeIssuer, run: Callable[..., Run]) -> None:
    """Who ends before says nothing of it."""
    first, second = run(), run()
    first.fetch()
    second.fetch()
    assert first.end() == ""
    assert second.fetch()["task"] == "task-81"
    assert issuer.completed == []
    assert second.end() == ""
    assert issuer.completed == [PLANNER]


def test_an_issuer_that_is_away_is_told_later(issuer: FakeIssuer, run: Callable[..., Run]) -> None:
    """`remit run` waits a moment and says that it could not be confirmed; the sidecar goes on trying."""
    program = run()
    program.fetch()
    issuer.stop()
    assert "task task-81 is not known to be complete: the issuer does not answer" in program.end()
    issuer.sessions.clear()
    issuer.start()
    eventually(lambda: issuer.completed == [PLANNER], seconds=20)


def test_a_program_that_is_not_the_agent_ends_nobodys_task(issuer: FakeIssuer, run: Callable[..., Run]) -> None:
    """Whoever may connect could otherwise end the tasks of others."""
    program = run(agent="acme/boss")
    assert program.fetch()["code"] == "no_entry"
    assert "task task-81 is not completed" in program.end()
    assert issuer.completed == []


def test_a_sidecar_that_is_killed_while_the_program_runs(
    issuer: FakeIssuer, sidecar: SidecarProcess, run: Callable[..., Run]
) -> None:
    """The next one still waits for the same process; nothing is completed before it has ended."""
    program = run()
    program.fetch()
    _kill(sidecar)
    sidecar.start(join_token=None)
    time.sleep(0.5)
    assert issuer.completed == []
    program.end()
    eventually(lambda: issuer.completed == [PLANNER])


def test_a_sidecar_that_is_killed_before_the_program_ends(
    issuer: FakeIssuer, sidecar: SidecarProcess, run: Callable[..., Run]
) -> None:
    """`remit run` says that nobody could confirm; the next sidecar finds the process gone and completes the task."""
    program = run()
    program.fetch()
    _kill(sidecar)
    assert "task task-81 is not known to be complete: no sidecar answers" in program.end()
    sidecar.start(join_token=None)
    eventually(lambda: issuer.completed == [PLANNER])


def test_a_sidecar_that_is_killed_while_the_issuer_is_away(
    issuer: FakeIssuer, sidecar: SidecarProcess, run: Callable[..., Run]
) -> None:
    """The end that it could not tell is not lost with it."""
    program = run()
    program.fetch()
    issuer.stop()
    program.end()
    _kill(sidecar)
    sidecar.start(join_token=None, wait=False)
    issuer.start()
    eventually(lambda: issuer.completed == [PLANNER], seconds=20)


def test_a_sidecar_that_is_killed_before_it_hears_the_answer(
    issuer: FakeIssuer, sidecar: SidecarProcess, run: Callable[..., Run]
) -> None:
    """The issuer has completed the task and the sidecar does not know it: it tells it again, which changes nothing."""
    issuer.answer_completions = lambda: web.Response(status=500)
    program = run()
    program.fetch()
    program.kill()
    eventually(lambda: len(issuer.completed) >= 1)
    _kill(sidecar)
    issuer.answer_completions = None
    told = len(issuer.completed)
    sidecar.start(join_token=None)
    eventually(lambda: len(issuer.completed) > told)
    assert set(issuer.completed) == {PLANNER}


@pytest.mark.parametrize("report_after", [None, 2.0], ids=["before-exec", "before-the-report"])
def test_a_sidecar_that_is_killed_before_the_launch_is_confirmed(
    issuer: FakeIssuer, sidecar: SidecarProcess, report_after: float | None
) -> None:
    """Then the program never was the agent: it got no token, so no task is open."""
    remit = str(sidecar.sockets / "remit.sock")
    argv = [sys.executable, agent_script.__file__, remit]
    declared = {"agent": "acme/planner", "task": "task-81"}
    plan = {
        "socket": remit,
        "executable": sys.executable,
        "argv": argv,
        "launch": declared,
        "report_after": report_after,
    }
    pipe = subprocess.PIPE
    line = [sys.executable, "-P", str(LAUNCHER), json.dumps(plan)]
    with subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=pipe) as launcher:
        eventually(lambda: _metric(sidecar, "remit_sidecar_launches") == 1)
        _kill(sidecar)
        launcher.kill()
    sidecar.start(join_token=None)
    time.sleep(0.5)
    assert (issuer.requests, issuer.completed) == ([], [])


def test_a_launch_that_was_not_answered_leaves_nothing_open(issuer: FakeIssuer, sidecar: SidecarProcess) -> None:
    """The record is written before the answer: a sidecar killed in between completes a task that nobody began."""
    (sidecar.folder / "state" / "tasks.json").write_text(json.dumps([_record(pid=2**22 - 1)]))
    _kill(sidecar)
    sidecar.start(join_token=None)
    eventually(lambda: issuer.completed == [PLANNER])


def test_an_agent_completes_its_task_itself(issuer: FakeIssuer, sidecar: SidecarProcess) -> None:
    """By the socket: for itself, for what it delegated to, never for others. What was cached for the task is gone."""
    with sidecar.http() as http:
        http.post("/v1/token", json={"audience": "a", "task": "task-81"})
        http.post("/v1/token", json={"audience": "a", "task": "task-82"})
        assert http.post("/v1/tasks/complete", json={"task": "task-81"}).json() == {"grants": 1}
        assert _metric(sidecar, "remit_sidecar_cached_answers") == 1
        for agent, status in (("acme/planner/sub/reader", 200), ("acme/plan", 403), ("acme/boss", 403)):
            answer = http.post("/v1/tasks/complete", json={"task": "task-81", "agent": agent})
            assert answer.status_code == status
        assert http.post("/v1/tasks/complete", json={}).status_code == 400
    assert issuer.completed == [PLANNER, ("acme/planner/sub/reader", "task-81")]


def test_a_launchs_task_is_for_its_user(sidecar: SidecarProcess, run: Callable[..., Run]) -> None:
    """A launch that is not known has no state; neither has one without a task."""
    run().fetch()
    with sidecar.http() as http:
        assert http.get("/v1/launches/unknown/task").status_code == 404
        assert http.get("/v1/launches/unknown/task?wait_seconds=31").status_code == 400
        body = {"pid": os.getpid(), "executable": "/x", "argv": ["x"], "task": "task-81"}
        answer = http.post("/v1/launches", json=body)
    assert (answer.status_code, answer.json()["detail"]) == (400, "a launch for a task names its agent")


def _record(pid: int) -> dict[str, object]:
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    evidence = {"attestor": "process", "uid": os.getuid(), "gid": os.getgid()}
    ids = {"launch": "l-1", "agent": PLANNER[0], "task": PLANNER[1], "uid": os.getuid()}
    return {**ids, "pid": pid, "start_time": 1, "boot_id": boot_id, "evidence": evidence}


def _kill(sidecar: SidecarProcess) -> None:
    assert sidecar.process is not None
    sidecar.process.send_signal(signal.SIGKILL)
    sidecar.process.wait(10)


def _metric(sidecar: SidecarProcess, name: str) -> float:
    with sidecar.http() as http:
        lines = http.get("/metrics").text.splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))
