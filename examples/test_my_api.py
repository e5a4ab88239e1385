"""How you test an API that accepts agents: with a real issuer, real tokens and a real revocation.

    remit dev -- pytest test_my_api.py

`remit dev` makes a trust domain for this one command. The test process is the agent `acme/planner`, and a bare `remit` in it acts
as the operator.
"""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import provider_asgi
import pytest
from starlette.testclient import TestClient

import remit
from remit.integrations.httpx import Auth


@pytest.fixture(scope="session")
def api() -> Iterator[TestClient]:
    """Your application, with its own verifier and its lifespan."""
    with TestClient(provider_asgi.app) as client:
        yield client


@pytest.fixture
def auth() -> httpx.Auth:
    """What an agent's HTTP client would use."""
    return Auth(audience=provider_asgi.API, task="task-81")


def operator(*words: str) -> Any:
    """Act as the operator."""
    command = ["remit", *words]
    return json.loads(subprocess.run([*command, "-o", "json"], check=True, capture_output=True).stdout)


def call(api: TestClient, auth: httpx.Auth | None, model: str = "model-a") -> httpx.Response:
    return api.post("/v1/messages", json={"model": model}, auth=auth)


def test_an_agent_is_accepted(api: TestClient, auth: httpx.Auth) -> None:
    """The API knows which agent calls, and whose money it is."""
    expected = {"agent": "acme/planner", "account": "acme", "task": "task-81", "model": "model-a"}
    assert call(api, auth).json() == expected


def test_nobody_is_refused(api: TestClient) -> None:
    """Without a token there is a challenge."""
    answer = call(api, None)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_for_another_api_is_refused(api: TestClient) -> None:
    """A token is for one audience."""
    answer = call(api, Auth(audience="https://other.example.com"))
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_audience")


def test_a_call_beyond_the_scope_is_refused(api: TestClient) -> None:
    """An agent that asked for less than its grant gets no more than it asked for."""
    narrow = Auth(audience=provider_asgi.API, scope=remit.SpendScope(models=("model-a",)))
    answer = call(api, narrow, model="model-b")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_refused")


def test_a_suspended_agent_is_refused(api: TestClient) -> None:
    """The command returns once the API refuses; resuming restores exactly what was there."""
    token = remit.Client().token(provider_asgi.API).token
    operator("suspend", "acme/planner", "--reason", "test")
    try:
        assert present(api, token).json()["code"] == "credential_suspended"
    finally:
        operator("resume", "acme/planner", "--reason", "test")
    assert present(api, token).status_code == 200


def present(api: TestClient, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return api.post("/v1/messages", json={"model": "model-a"}, headers=headers)
