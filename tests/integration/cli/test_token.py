"""`remit token fetch` and `delegate` against a sidecar that answers what it is told."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.sidecar import FakeSidecar, run_fake_sidecar

AUDIENCE = "https://api.example.com"


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[FakeSidecar]:
    """A sidecar that gives what it is told to."""
    with run_fake_sidecar(tmp_path / "remit.sock") as running:
        yield running


def _token(sidecar: FakeSidecar, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "cli.main", "token", *words, "--audience", AUDIENCE]
    environment = {**os.environ, "REMIT_SIDECAR_SOCKET": str(sidecar.path)}
    return subprocess.run(line, env=environment, input=said, capture_output=True, text=True, timeout=30, check=False)


def test_delegate_asks_for_the_sub_agent(sidecar: FakeSidecar, tmp_path: Path):
    """Everything that narrows the token goes with it."""
    (tmp_path / "scope.json").write_text('{"type": "agent_spend", "version": 1, "actions": ["read"]}')
    narrowed = ("--scope", str(tmp_path / "scope.json"), "--ttl", "60", "--task", "t-1", "--task-ttl", "600")

    ended = _token(sidecar, "delegate", "reader/sub/pages", *narrowed, "--reason", "why", "-o", "json")

    assert json.loads(ended.stdout)["token"] == "secret-1", ended.stderr
    assert sidecar.targets == ["/v1/delegate"]
    assert sidecar.requests == [
        {
            "audience": AUDIENCE,
            "task": "t-1",
            "reason": "why",
            "task_ttl_seconds": 600,
            "sub_agent": "reader/sub/pages",
            "ttl_seconds": 60,
            "authorization_details": [{"type": "agent_spend", "version": 1, "actions": ["read"]}],
        }
    ]


def test_a_persons_token_comes_from_a_file_or_from_stdin(sidecar: FakeSidecar, tmp_path: Path):
    """Never from an argument, which every user of the machine can see."""
    (tmp_path / "ana.jwt").write_text("ana.jwt.x\n")

    from_file = _token(sidecar, "fetch", "--on-behalf-of", str(tmp_path / "ana.jwt"))
    from_stdin = _token(sidecar, "delegate", "reader", "--on-behalf-of", "-", said="ana.jwt.y")
    from_argument = _token(sidecar, "fetch", "--on-behalf-of", "e" * 60 + "." + "e" * 60 + "." + "e" * 60)

    assert (from_file.stdout, from_stdin.stdout) == ("secret-1\n", "secret-1\n")
    assert [request["on_behalf_of"] for request in sidecar.requests] == ["ana.jwt.x", "ana.jwt.y"]
    assert from_argument.returncode == 2
    assert "not taken from the command line" in from_argument.stderr


def test_a_refusal_says_why(sidecar: FakeSidecar):
    """With the sidecar's words, and the exit code of a refusal."""
    problem = {"code": "scope_too_wide", "detail": "it is wider", "hint": "ask for less"}
    sidecar.refusal = (403, problem)

    ended = _token(sidecar, "delegate", "reader")

    assert (ended.returncode, ended.stderr) == (1, "error: it is wider\nhint: ask for less\n")
