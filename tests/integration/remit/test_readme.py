"""The library's README: its examples run, and do what they say."""

import re
from pathlib import Path

import httpx
import pytest

import remit
from tests.fakes.issuer import FakeIssuer
from tests.fakes.provider import run_fake_provider
from tests.fakes.sidecar import FakeSidecar

BLOCKS = re.findall(r"```python\n(.*?)```", (Path(remit.__file__).parent / "README.md").read_text("utf-8"), re.DOTALL)


def test_accept_agents(issuer: FakeIssuer, capsys: pytest.CaptureFixture[str]) -> None:
    """The provider's example accepts a token and says who pays for what."""
    exec(BLOCKS[0].replace("https://issuer.example.org", issuer.url), {"token": issuer.token()})
    assert capsys.readouterr().out == "acme/planner acme task-81 0.05 USD\n"


def test_be_an_agent(sidecar: FakeSidecar, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's example calls with its token."""
    monkeypatch.setenv("SPIFFE_ENDPOINT_SOCKET", f"unix://{sidecar.path.parent}/workload.sock")
    with run_fake_provider() as provider:
        names: dict[str, object] = {"url": provider.url}
        exec(BLOCKS[1], names)
    answer = names["answer"]
    assert isinstance(answer, httpx.Response)
    assert answer.status_code == 200
    assert sidecar.requests == [{"audience": "https://api.example.com", "task": "task-81"}]


def test_every_example_is_run() -> None:
    """No example is added without a test."""
    assert len(BLOCKS) == 2
