"""Every example runs, as a real process in a real trust domain."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import stamina

from tests.fakes.dev import fresh_ground, running_dev

EXAMPLES = Path(__file__).parents[2] / "examples"
PROVIDERS = ("provider_aiohttp.py", "provider_asgi.py", "provider_wsgi.py")
AGENTS = {"agent_httpx.py": "task-81", "agent_requests.py": "task-81", "agent_spiffe.py": None}

Environment = Mapping[str, str]

pytestmark = pytest.mark.xdist_group("examples")


@pytest.fixture(scope="module")
def domain() -> Iterator[Environment]:
    """What a program needs to be in the trust domain in which all examples run."""
    with fresh_ground() as ground, running_dev(ground) as environment:
        yield environment


@contextmanager
def running_provider(name: str, environment: Environment) -> Iterator[str]:
    """A provider; yields its URL once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen([sys.executable, EXAMPLES / name, str(port)], env=environment) as process:
        try:
            url = f"http://localhost:{port}"
            for attempt in stamina.retry_context(on=httpx.TransportError, timeout=20, wait_max=0.2, attempts=None):
                with attempt:
                    assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
            yield url
        finally:
            process.terminate()


def run(name: str, *arguments: str, environment: Environment) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("name", PROVIDERS)
def test_provider(name: str, domain: Environment):
    """Each provider knows every agent, refuses who has no token, and whoever asks for less gets no more."""
    with running_provider(name, domain) as url:
        for agent, task in AGENTS.items():
            ran = run(agent, url, environment=domain)
            assert ran.returncode == 0, ran.stderr
            expected = {"agent": "acme/planner", "account": "acme", "task": task, "model": "model-a"}
            assert json.loads(ran.stdout) == expected
        refused = httpx.post(f"{url}/v1/messages", json={"model": "model-a"})
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


def test_agent_without_a_sidecar(domain: Environment):
    """An agent that finds no sidecar says so in one line."""
    nowhere = {**domain, "REMIT_SIDECAR_SOCKET": "/nonexistent/remit.sock"}
    ran = run("agent_httpx.py", "http://localhost:1", environment=nowhere)
    assert ran.returncode == 1
    assert ran.stderr.startswith("no token: unavailable")


def test_tests_of_an_adopter():
    """The tests that adopters copy pass, with nothing of this repository's configuration, and nobody else's verifiers to wait for."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "test_my_api.py"]
    with fresh_ground() as ground, running_dev(ground) as environment:
        ran = subprocess.run(
            command, cwd=EXAMPLES, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "5 passed" in ran.stdout


def test_every_example_is_tested():
    """No example is added without a test."""
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*PROVIDERS, *AGENTS, "test_my_api.py"}
