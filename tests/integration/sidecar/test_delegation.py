"""Delegation through the sidecar: the agent's own token is exchanged and never shown."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from remit.jose import parse_unverified
from tests.fakes.sidecar_issuer import FakeIssuer
from tests.fakes.sidecar_process import SidecarProcess

AUDIENCE = "https://api.example.com"


def delegate(sidecar: SidecarProcess, **body: object) -> httpx.Response:
    with sidecar.http() as http:
        return http.post("/v1/delegate", json={"sub_agent": "reader", "audience": AUDIENCE, **body})


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_sub_agent_gets_a_token_of_its_own(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """One that the issuer made of the agent's, which had the token endpoint for its audience and was not shown."""
    told = delegate(sidecar, task="task-81").json()
    assert (told["agent"], told["audience"], told["task"]) == ("acme/planner/sub/reader", AUDIENCE, "task-81")
    assert told["spiffe_id"] == "spiffe://example.org/account/acme/agent/planner/sub/reader"
    (exchange,) = issuer.exchanges
    (asked,) = issuer.requests
    assert asked["audience"] == f"{issuer.url}/token"
    assert exchange["subject_token"] != told["token"]
    assert parse_unverified(told["token"]).unverified_payload()["sub"] == told["spiffe_id"]


def test_it_is_exchanged_once_for_all_who_want_it(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """At the same moment and later; another request is another token, of the same subject token."""
    issuer.delay_seconds = 0.2
    with ThreadPoolExecutor(8) as pool:
        tokens = {answer.json()["token"] for answer in pool.map(lambda _: delegate(sidecar), range(8))}
    tokens.add(delegate(sidecar).json()["token"])
    assert len(tokens) == len(issuer.exchanges) == 1
    delegate(sidecar, ttl_seconds=60)
    assert (len(issuer.exchanges), sum(issuer.batches)) == (2, 1)


def test_a_deeper_sub_agent_is_reached_step_by_step(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """Each step is a token of the one above for the token endpoint."""
    told = delegate(sidecar, sub_agent="reader/sub/pages", reason="look it up").json()
    assert told["agent"] == "acme/planner/sub/reader/sub/pages"
    steps = [(exchange["agent"], exchange["audience"]) for exchange in issuer.exchanges]
    assert steps == [("acme/planner/sub/reader", f"{issuer.url}/token"), (told["agent"], AUDIENCE)]


def test_a_refusal_says_what_the_issuer_said(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """With the issuer's code, and a status that says no."""
    refused = delegate(sidecar, audience="refuse")
    assert refused.status_code == 403
    assert {key: refused.json()[key] for key in ("code", "detail", "hint")} == {
        "code": "scope_too_wide",
        "detail": "it is wider",
        "hint": "ask for less",
    }
    issuer.entries.clear()
    assert delegate(sidecar, audience="other", task="other").json()["code"] == "no_entry"
    assert delegate(sidecar, sub_agent="../boss").status_code == 400


def test_a_sub_agent_that_is_revoked_is_dropped(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """Its status is its own; the agent's token stays."""
    first = delegate(sidecar).json()["token"]
    issuer.set_status(issuer.sub_agents["acme/planner/sub/reader"], 1)
    eventually(lambda: delegate(sidecar).json()["token"] != first)
    assert sum(issuer.batches) == 1


def test_a_persons_token_passes_through_and_leaves_no_trace(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """It goes to the issuer with the agent's evidence; another person's is another token; no log has it."""
    body = {"audience": AUDIENCE, "on_behalf_of": "ana.secret.jwt", "task_ttl_seconds": 60}
    with sidecar.http() as http:
        first = http.post("/v1/token", json=body).json()["token"]
        assert http.post("/v1/token", json=body).json()["token"] == first
        assert http.post("/v1/token", json={**body, "on_behalf_of": "bob.secret.jwt"}).json()["token"] != first
        assert http.post("/v1/token", json={**body, "on_behalf_of": ""}).status_code == 400
    assert delegate(sidecar, on_behalf_of="ana.secret.jwt").status_code == 200
    asked = [request["on_behalf_of"] for request in issuer.requests]
    assert asked == ["ana.secret.jwt", "bob.secret.jwt", "ana.secret.jwt"]
    assert issuer.requests[0]["task_ttl_seconds"] == 60
    issuer.stop()
    with sidecar.http() as http:
        assert http.post("/v1/token", json={**body, "audience": "other"}).status_code == 503
    assert "secret" not in sidecar.output()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/delegate", '{"audience":"a"}'),
        ("/v1/delegate", '{"audience":"a","sub_agent":5}'),
        ("/v1/delegate", '{"audience":"a","sub_agent":""}'),
        ("/v1/delegate", '{"audience":"","sub_agent":"reader"}'),
        ("/v1/delegate", '{"audience":"a","sub_agent":"reader","ttl_seconds":0}'),
        ("/v1/delegate", '{"audience":"a","sub_agent":"reader","ttl_seconds":1e99}'),
        ("/v1/delegate", '{"audience":"a","sub_agent":"reader","more":1}'),
        ("/v1/token", '{"audience":"a","sub_agent":"reader"}'),
        ("/v1/token", '{"audience":"a","task_ttl_seconds":-1}'),
        ("/v1/token", '{"audience":"a","on_behalf_of":["secret"]}'),
        ("/v1/token", '{"audience":"a","on_behalf_of":"\\ud800secret"}'),
        ("/v1/token", '{"audience":"a","on_behalf_of":"' + "secret" * 4096 + '"}'),
        ("/v1/tasks/complete", '{"task":""}'),
        ("/v1/tasks/complete", '{"task":"t","more":1}'),
        ("/v1/tasks/complete", '{"agent":"acme/planner"}'),
    ],
)
def test_bodies_that_are_not_what_they_should_be(served: SidecarProcess, path: str, body: str) -> None:
    """They are refused as the caller's mistake, without repeating any of it."""
    with served.http() as http:
        answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert "secret" not in answer.text
