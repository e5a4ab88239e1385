"""Delegation over HTTP, against a real issuer process: RFC 8693 with an agent token and a proof."""

import json

import pytest

import remit
from remit.jose import parse_unverified
from tests.fakes.exchanging import Exchange, parents_token
from tests.fakes.issuer_process import AUDIENCE, initialize, running, wanted

PARENT, READER = "acme/planner", "acme/planner/sub/reader"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    with running(initialize(tmp_path_factory.mktemp("issuer") / "data")) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def sidecar(issuer):
    sidecar = issuer.joined()
    scope = {"type": "agent_spend", "version": 1, "models": ["a", "b"]}
    issuer.register(PARENT, "unix:uid:1000", sidecar="edge-1", scope=scope)
    return sidecar


@pytest.fixture
def exchange(sidecar):
    return Exchange.of(sidecar)


def claims(token):
    return parse_unverified(token).unverified_payload()


def test_a_parent_delegates_and_a_provider_accepts(issuer, sidecar, exchange):
    """The credential says whose sub-agent it is, and that its parent alone vouches for it."""
    answer = exchange.delegate(parents_token(sidecar), READER, ttl_seconds=60, reason="reads")
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["token_type"], said["expires_in"]) == ("Bearer", 60)
    assert answer.headers["Cache-Control"] == "no-store"
    with remit.Verifier(issuer=issuer.url, audience=AUDIENCE) as verifier:
        credential = verifier.verify(said["access_token"])
    assert (str(credential.agent), str(credential.parent_agent)) == (READER, PARENT)
    assert credential.parent_asserted


def test_the_first_answer_asks_for_a_nonce(sidecar, exchange):
    """RFC 9449 section 8: 400 with an error of its own; it is no refusal, so nothing is recorded."""
    answer = exchange.send(exchange.form(parents_token(sidecar), READER))
    assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
    assert answer.headers["DPoP-Nonce"]
    assert exchange.send(exchange.form(parents_token(sidecar), READER)).status_code == 200


def test_it_is_narrowed_by_authorization_details(sidecar, exchange):
    """Within the parent's token granted and told, beyond it refused with what was too wide."""
    token, agent = parents_token(sidecar), f"{PARENT}/sub/narrow"
    details = '[{"type":"agent_spend","version":1,"models":["MODEL"]}]'
    refused = exchange.delegate(token, agent, authorization_details=details.replace("MODEL", "z"))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_authorization_details")
    assert (refused.json()["code"], "models" in refused.json()["error_description"]) == ("scope_too_wide", True)
    said = exchange.delegate(token, agent, authorization_details=details.replace("MODEL", "a")).json()
    assert said["authorization_details"][0]["models"] == ["a"]


def test_a_chain_of_sub_agents(issuer, sidecar, exchange):
    """Each with the token of the one above, by the sidecar that obtained that; the task is the first one's."""
    token = parents_token(sidecar, task="task-81")
    for agent in (READER, f"{READER}/sub/x"):
        token = exchange.delegate(token, agent, audience=exchange.url).json()["access_token"]
    said = claims(token)
    assert (said["txn"], said["parent_agent"].rpartition("/")[2]) == ("task-81", "reader")
    issuer.post("/suspend", what=READER, reason="test")
    refused = exchange.delegate(token, f"{READER}/sub/x/sub/y")
    issuer.post("/resume", what=READER, reason="test")
    assert refused.json()["code"] == "agent_not_active"


def test_revoking_the_parent_revokes_the_child(issuer, sidecar, exchange):
    """What was delegated from a task ends with it: the child's index says so."""
    token = exchange.delegate(parents_token(sidecar, task="over"), READER).json()["access_token"]
    stopped = issuer.post("/revoke", what="task:over", reason="test")
    assert stopped["changed"]["grants"] == 2
    with remit.Verifier(issuer=issuer.url, audience=AUDIENCE) as verifier, pytest.raises(remit.RevokedError):
        verifier.verify(token)


def test_a_sub_agent_is_an_agent_like_others(issuer, sidecar, exchange):
    """It has a DID, it is listed, and its parent's word is all there is for it."""
    exchange.delegate(parents_token(sidecar), READER)
    document = issuer.http.get(f"/account/acme/agent/{READER.partition('/')[2]}/did.json").json()
    assert f"spiffe://example.org/account/acme/agent/{READER.partition('/')[2]}" in document["alsoKnownAs"]
    listed = {agent["agent"]: agent for agent in issuer.operator.get("/agents").json()["items"]}
    assert (listed[READER]["parent_asserted"], listed[PARENT]["parent_asserted"]) == (True, False)
    grants = issuer.operator.get("/grants", params={"agent": READER}).json()["items"]
    assert all(grant["delegated"] and grant["parent"] for grant in grants)


def test_task_ttl_seconds_is_how_long_a_task_lives(issuer, sidecar):
    """On the request that opens it."""
    (result,) = sidecar.issue(wanted(task="short", task_ttl_seconds=60))
    grant = issuer.operator.get(f"/grants/{result['credentials'][0]['grant']}").json()
    assert grant["expires_at"] - grant["created_at"] == 60


@pytest.mark.parametrize(
    ("changed", "error", "code"),
    [
        ({"subject_token": None}, "invalid_request", "malformed_request"),
        ({"agent": None}, "invalid_request", "malformed_request"),
        ({"agent": "reader"}, "invalid_request", "malformed_request"),
        ({"agent": f"{PARENT}/sub/.."}, "invalid_request", "malformed_request"),
        ({"agent": f"{PARENT}/sub/"}, "invalid_request", "malformed_request"),
        ({"agent": "acme/other/sub/x"}, "invalid_request", "not_a_sub_agent"),
        ({"agent": f"{PARENT}/sub/{'x' * 65}"}, "invalid_request", "not_a_sub_agent"),
        ({"audience": None}, "invalid_target", "invalid_target"),
        ({"ttl_seconds": "0"}, "invalid_request", "malformed_request"),
        ({"ttl_seconds": "1e9"}, "invalid_request", "malformed_request"),
        ({"task_ttl_seconds": "-1"}, "invalid_request", "malformed_request"),
        ({"actor_token": "x", "actor_token_type": "y"}, "invalid_request", "malformed_request"),
        ({"actor_token": "x"}, "invalid_request", "malformed_request"),
        ({"task": "a b"}, "invalid_request", "malformed_request"),
    ],
)
def test_wrong_parameters(sidecar, exchange, changed, error, code):
    """OAuth's shape, a stable code, nothing issued."""
    answer = exchange.delegate(parents_token(sidecar), **{"agent": READER, **changed})
    assert (answer.status_code, answer.json()["error"], answer.json()["code"]) == (400, error, code), answer.text
    assert "access_token" not in json.loads(answer.text)
