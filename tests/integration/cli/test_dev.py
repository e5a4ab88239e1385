"""`remit dev` with the real issuer and the real sidecar: what CMD gets, and that nothing is left behind."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.dev import REMIT, Ground, fresh_ground, running_dev

_SHOW = "import json, os; print(json.dumps(dict(os.environ)))"
_WAIT = "import time; print('up', flush=True); time.sleep(60)"
_STUBBORN = f"import signal; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; {_WAIT}"


@pytest.fixture
def ground() -> Iterator[Ground]:
    with fresh_ground() as ground:
        yield ground


def _await_up(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n", process.stderr and process.stderr.read()


def test_the_program_has_stdout_for_itself_and_the_documented_environment(ground: Ground):
    """All that `remit dev` says is on stderr, also that children count as the agent only here."""
    ended = ground.run("--", sys.executable, "-c", _SHOW)

    environment = json.loads(ended.stdout)
    assert ended.returncode == 0, ended.stderr
    assert environment["REMIT_ISSUER"].startswith("http://localhost:")
    assert environment["REMIT_TRUST_DOMAIN"] == "dev.test"
    assert environment["SPIFFE_ENDPOINT_SOCKET"].startswith("unix:///")
    assert environment["REMIT_SIDECAR_SOCKET"].startswith("/")
    assert Path(environment["REMIT_CREDENTIALS"]).is_absolute()
    assert "counts as the agent; only in dev" in ended.stderr
    ground.assert_nothing_left()


def test_a_bare_remit_inside_is_this_one_and_acts_as_the_operator(ground: Ground):
    """Whatever the caller's PATH."""
    ground.environment["PATH"] = "/usr/bin:/bin"

    ended = ground.run("--", "sh", "-c", "remit whoami -o json; command -v remit")

    assert ended.returncode == 0, ended.stderr
    assert '"role": "admin"' in ended.stdout
    assert Path(ended.stdout.splitlines()[-1]).name == "remit"


def test_children_of_the_program_are_the_agent(ground: Ground):
    """The entry selects by uid, so a grandchild gets the token of the agent that was named."""
    line = 'sh -c "remit token fetch --audience https://api.example.com -o json"; exit 5'

    ended = ground.run("--agent", "shop/buyer/sub/search", "--", "sh", "-c", line)

    assert ended.returncode == 5, ended.stderr
    assert json.loads(ended.stdout)["agent"] == "shop/buyer/sub/search"


def test_a_scope_file_replaces_the_default(ground: Ground, tmp_path: Path):
    """The grant is what the file says."""
    scope = {"type": "agent_spend", "version": 1, "actions": ["read"]}
    (tmp_path / "scope.json").write_text(json.dumps(scope))

    ended = ground.run("--scope", str(tmp_path / "scope.json"), "--", "remit", "grant", "list", "-o", "json")

    assert [grant["scope"] for grant in json.loads(ended.stdout)] == [scope]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--scope", "/nowhere.json", "--", "true"], 2, "error: cannot read the scope file /nowhere.json"),
        (["--agent", "nobody", "--", "true"], 2, "error: not an agent name: 'nobody'"),
        (["--", "no-such-program"], 127, "error: cannot run no-such-program"),
        (["--", "/etc/passwd"], 126, "error: cannot run /etc/passwd"),
    ],
)
def test_bad_use_leaves_nothing(ground: Ground, words: list[str], code: int, said: str):
    """One line, the exit code, no folder."""
    ended = ground.run(*words)

    assert (ended.returncode, said in ended.stderr) == (code, True), ended.stderr
    ground.assert_nothing_left()


@pytest.mark.parametrize(("line", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_the_exit_code_is_passed_on(ground: Ground, line: str, code: int):
    """Also when the program is killed; and then everything is gone."""
    assert ground.run("--", "sh", "-c", line).returncode == code
    ground.assert_nothing_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything(ground: Ground, number: signal.Signals):
    """It is passed on to the program, whose end is the end of all."""
    with ground.start(
        "--", sys.executable, "-c", f"import signal; signal.signal(2, signal.SIG_DFL); {_WAIT}"
    ) as running:
        _await_up(running)
        running.send_signal(number)
        running.communicate(timeout=20)

    assert running.returncode == 128 + number
    ground.assert_nothing_left()


def test_a_program_that_does_not_listen_is_ended_all_the_same(ground: Ground):
    """After the grace of five seconds."""
    with ground.start("--", sys.executable, "-c", _STUBBORN) as running:
        _await_up(running)
        running.terminate()
        running.communicate(timeout=20)

    assert running.returncode == 137
    ground.assert_nothing_left()


def test_killing_remit_dev_leaves_nothing(ground: Ground):
    """SIGKILL, and a program that ignores every signal it can."""
    with ground.start("--", sys.executable, "-c", _STUBBORN) as running:
        _await_up(running)
        running.kill()
        running.communicate(timeout=20)

    ground.assert_nothing_left()


def test_killing_the_whole_process_group_leaves_nothing(ground: Ground):
    """What a CI system does to a job that took too long."""
    with ground.start("--", sys.executable, "-c", _STUBBORN, start_new_session=True) as running:
        _await_up(running)
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate(timeout=20)

    ground.assert_nothing_left()


def test_killing_the_supervisor_leaves_nothing(ground: Ground):
    """The other one of the two processes that watch each other."""
    with ground.start("--", sys.executable, "-c", _STUBBORN) as running:
        _await_up(running)
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        running.communicate(timeout=20)

    assert running.returncode == 137
    ground.assert_nothing_left()


def test_a_daemon_of_the_program_does_not_get_away(ground: Ground):
    """Not even in a session of its own with its parent gone."""
    ended = ground.run(
        "--", "sh", "-c", "setsid sh -c 'trap : TERM HUP; while :; do sleep 60; done' >/dev/null 2>&1 & exit 3"
    )

    assert ended.returncode == 3
    ground.assert_nothing_left()


@pytest.mark.parametrize("after_seconds", [0.3, 0.8, 1.5])
def test_interrupting_the_start_leaves_nothing(ground: Ground, after_seconds: float):
    """Whatever was being started at that moment."""
    with ground.start("--", sys.executable, "-c", _WAIT) as running:
        time.sleep(after_seconds)
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=20)

    assert running.returncode in {130, -signal.SIGINT}
    ground.assert_nothing_left()


def test_ctrl_c_on_a_terminal_is_the_programs_to_handle(ground: Ground):
    """The terminal interrupts the whole foreground group once; a program that goes on is left to."""
    program = (
        "import os, signal, time\n"
        "signal.signal(2, lambda *_: seen.append(2) or os.write(1, b'interrupted %d\\n' % len(seen)))\n"
        "seen = []\n"
        "os.write(1, b'up\\n')\n"
        "while len(seen) < 2: time.sleep(0.01)\n"
        "print('foreground', os.getpgrp() == os.tcgetpgrp(0), flush=True)\n"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(REMIT, [REMIT, "dev", "--", sys.executable, "-c", program], ground.environment)
    with os.fdopen(terminal, "rb+", buffering=0) as screen:
        assert b"up\r\n" in _read_until(screen, b"up\r\n")
        screen.write(b"\x03")
        assert b"interrupted 1" in _read_until(screen, b"interrupted 1")
        time.sleep(0.3)
        screen.write(b"\x03")
        _read_until(screen, b"foreground True")
        _, status = os.waitpid(pid, 0)  # before the terminal is closed, which would hang up

    assert os.waitstatus_to_exitcode(status) == 0
    ground.assert_nothing_left()


def _read_until(screen, wanted: bytes) -> bytes:
    said = b""
    while wanted not in said:
        try:
            said += screen.read(1024)
        except OSError:  # the terminal is gone (EIO)
            pytest.fail(f"{wanted!r} is not in {said!r}")
    return said


def test_without_a_program_it_prints_the_exports_and_stays(ground: Ground):
    """The exports make a bare `remit` outside work, until Ctrl-C."""
    with running_dev(ground) as environment:
        line = [REMIT, "token", "fetch", "--audience", "https://api.example.com"]
        fetched = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)

    assert fetched.returncode == 0, fetched.stderr
    assert fetched.stdout.count(".") == 2
    ground.assert_nothing_left()


def test_several_at_once_do_not_meet(ground: Ground):
    """Each has its own issuer, sidecar and data."""
    running = [ground.start("--agent", f"acme/a{n}", "--", "remit", "agent", "list", "-o", "json") for n in range(3)]
    ended = [process.communicate(timeout=60) for process in running]

    assert [[agent["agent"] for agent in json.loads(out)] for out, _ in ended] == [[f"acme/a{n}"] for n in range(3)]
    ground.assert_nothing_left()


def test_one_inside_another_is_its_own(ground: Ground):
    """The outer one's environment does not configure the inner one."""
    ended = ground.run("--", "remit", "dev", "--agent", "inner/one", "--", "remit", "agent", "list", "-o", "json")

    assert [agent["agent"] for agent in json.loads(ended.stdout)] == ["inner/one"], ended.stderr
    ground.assert_nothing_left()
