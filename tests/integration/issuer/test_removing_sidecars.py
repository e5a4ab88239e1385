"""A node that lost its disk, one that was stolen, and a disk that came back: real issuers, real sidecars."""

import shutil
import tempfile
from pathlib import Path

import httpx
import pytest

from tests.fakes.issuer_process import SidecarClient, initialize, running, wanted
from tests.fakes.sidecar_process import SidecarProcess

UID = "unix:uid:1000"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    config = initialize(tmp_path_factory.mktemp("removing") / "data")
    with running(config) as issuer:
        yield issuer
        assert "Traceback" not in issuer.log()


@pytest.fixture
def node(issuer):
    """Make sidecar processes; each state folder is a disk."""
    made: list[SidecarProcess] = []

    def make() -> SidecarProcess:
        made.append(SidecarProcess(issuer.url, Path(tempfile.mkdtemp(prefix="rs-"))))
        return made[-1]

    yield make
    for process in made:
        if process.process is not None:
            process.stop()
        shutil.rmtree(process.folder)


def join_token(issuer, name):
    return issuer.post("/join-tokens", sidecar=name)["token"]


def evict(issuer, name, verb="evict", **more):
    return issuer.post(f"/sidecars/{name}/{verb}", reason="a test", **more)


def refused(process, token=None) -> str:
    """What a sidecar says that does not get in."""
    process.start(token, wait=False)
    assert process.process.wait(20) != 0
    return process.output()


def test_a_node_that_lost_its_disk(issuer, node):
    """Refused under its name until it is evicted; it says what to run; then it joins with a new token and a new key."""
    before = node()
    before.start(join_token(issuer, "lost"))
    assert before.stop() == 0
    wiped = node()
    said = refused(wiped, join_token(issuer, "lost"))
    assert "sidecar lost has joined with another key" in said
    assert "remit sidecar evict lost" in said
    assert "remit join-token create lost" in said
    left_over = join_token(issuer, "lost")
    evict(issuer, "lost")
    assert "made before the sidecar was evicted" in refused(node(), left_over)
    wiped.start(join_token(issuer, "lost"))
    assert wiped.ready["sidecar"] == "lost"
    assert wiped.stop() == 0
    wiped.start(None)
    assert wiped.stop() == 0


def test_the_disk_came_back(issuer, node):
    """After its name has joined with another key the old one is nobody's; the sidecar says so, and the new one goes on."""
    old = node()
    old.start(join_token(issuer, "back"))
    assert old.stop() == 0
    evict(issuer, "back")
    said = refused(old)
    assert "does not accept sidecar 'back'" in said
    assert "remit join-token create back" in said
    new = node()
    new.start(join_token(issuer, "back"))
    assert "does not accept" in refused(old)
    assert "has joined with another key" in refused(old, join_token(issuer, "back"))
    assert new.process.poll() is None


def test_the_disk_came_back_before_anybody_joined(issuer, node):
    """Any key will do for a new join token, also the one from before."""
    old = node()
    old.start(join_token(issuer, "again"))
    assert old.stop() == 0
    evict(issuer, "again")
    old.start(join_token(issuer, "again"))
    assert old.ready["sidecar"] == "again"


def holding(issuer, name) -> SidecarClient:
    """A sidecar with an agent, a session and a nonce: all that a thief could have."""
    sidecar = issuer.joined(name)
    issuer.register(f"acme/{name}", UID, sidecar=name)
    assert "credentials" in sidecar.issue(wanted())[0]
    return sidecar


@pytest.mark.parametrize("verb", ["evict", "ban"])
def test_a_stolen_key_is_useless_from_the_answer_on(issuer, verb):
    """Neither its session, nor a new one by its key, nor a join under any name without a new token."""
    thief = holding(issuer, f"stolen-{verb}")
    evict(issuer, f"stolen-{verb}", verb)
    answers = [
        thief.post("/v1/issue", {"requests": [wanted()]}),
        thief.post("/v1/attest/workload", {"workloads": [{"evidence": wanted()["evidence"]}]}),
        thief.post("/v1/tasks/complete", {"agent": f"acme/stolen-{verb}", "task": "t"}),
        session(thief),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(401, "session_invalid")] * 4


def session(sidecar: SidecarClient) -> httpx.Response:
    """Ask for a session by the key alone."""
    sidecar.session = None
    return sidecar.post("/v1/attest/session", {})


def test_a_banned_key_joins_under_no_name(issuer):
    """Its own name is retired; with a join token for another one the key is recognized."""
    thief = holding(issuer, "banned")
    evict(issuer, "banned", "ban")
    again = issuer.operator.post("/join-tokens", json={"sidecar": "banned"})
    assert (again.status_code, again.json()["code"]) == (409, "retired_name")
    thief.session = None
    evidence = {"token": join_token(issuer, "innocent")}
    answer = thief.post("/v1/attest/join", {"attestor": "join_token", "evidence": evidence})
    assert (answer.status_code, answer.json()["code"]) == (403, "evidence_refused")
    assert "this key is sidecar banned's" in answer.json()["detail"]
    resumed = issuer.operator.post("/resume", json={"what": "sidecar:banned", "reason": "r"})
    assert (resumed.status_code, resumed.json()["code"]) == (409, "conflict")
    evicted = issuer.operator.post("/sidecars/banned/evict", json={"reason": "r"})
    assert (evicted.status_code, evicted.json()["code"]) == (409, "conflict")


def test_what_it_obtained_lives_on_unless_it_is_taken_back(issuer):
    """By default tokens live until they expire; with `revoke_issued` they end, and the grants go on elsewhere."""
    lost, other = issuer.joined("lost-1"), issuer.joined("lost-2")
    issuer.register("acme/shared", UID, sidecar="lost-1")
    issuer.post("/entries", agent="acme/shared", selectors=[UID, "unix:gid:1000"], sidecar="lost-2")
    provider = issuer.post("/providers", name="api", audiences=["https://api.example.com"])["credential"]

    def token(sidecar, **more):
        return sidecar.issue(wanted(**more))[0]["credentials"][0]["token"]

    def active(*tokens):
        headers = {"Authorization": f"Bearer {provider}"}
        asked = [issuer.http.post("/introspect", data={"token": one}, headers=headers) for one in tokens]
        return [answer.json()["active"] for answer in asked]

    standing, task = token(lost), token(lost, task="t")
    assert evict(issuer, "lost-1")["changed"]["grants"] == 0
    assert active(standing, task) == [True, True]
    answer = evict(issuer, "lost-1", revoke_issued=True)
    assert (answer["changed"]["grants"], answer["resolved"]["id"]) == (2, "lost-1")
    assert active(standing, task) == [False, False]
    assert active(token(other), token(other, task="t")) == [True, True]
    assert evict(issuer, "lost-1", revoke_issued=True)["changed"]["grants"] == 0


def test_removing_is_recorded(issuer):
    """Who, why, and whether what it obtained was taken back."""
    issuer.joined("noted")
    evict(issuer, "noted", ticket="INC-7", revoke_issued=True)
    (record,) = issuer.operator.get("/audit", params={"kind": "sidecar.evict", "newest": True, "limit": 1}).json()[
        "records"
    ]
    assert record["actor"].startswith("operator:")
    assert {"what": "sidecar noted", "reason": "a test", "ticket": "INC-7", "revoke_issued": True}.items() <= record[
        "detail"
    ].items()


def test_only_operators_of_all_accounts_remove_sidecars(issuer):
    """Sidecars are not for one who is limited to an account; nor for a viewer."""
    issuer.joined("guarded")
    issuer.operator.post("/accounts", json={"name": "acme", "owner": "o"})
    limited = issuer.post("/operators", name="limited", role="operator", account="acme")["token"]
    viewer = issuer.post("/operators", name="viewer", role="viewer")["token"]
    for credential in (limited, viewer):
        headers = {"Authorization": f"Bearer {credential}"}
        for verb in ("evict", "ban"):
            answer = issuer.operator.post(f"/sidecars/guarded/{verb}", json={"reason": "r"}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    unknown = issuer.operator.post("/sidecars/no-such/evict", json={"reason": "r"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
