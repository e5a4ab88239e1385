"""Verifiers over HTTP, against an issuer that is a process of its own and may be killed at any moment."""

import json
import shutil
import sqlite3
import sys
import time

import httpx
import pytest

from tests.fakes.crashing_issuer import STEPS
from tests.fakes.issuer_process import initialize, running
from tests.fakes.raw_verifier import RawVerifier, register_provider

UID = "unix:uid:1000"
CRASHING = (sys.executable, "-m", "tests.fakes.crashing_issuer")
AGENT = "acme/planner"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data folder with an agent and a provider, to be copied, and the provider's credential."""
    config = initialize(tmp_path_factory.mktemp("prepared") / "data")
    with running(config) as issuer:
        issuer.register(AGENT, UID)
        credential = register_provider(issuer)
        assert issuer.stop() == 0
    return config.parent, credential


@pytest.fixture
def folder(prepared, tmp_path):
    return shutil.copytree(prepared[0], tmp_path / "data")


@pytest.fixture
def credential(prepared):
    return prepared[1]


@pytest.fixture
def issuer(folder):
    with running(folder / "remit.toml") as issuer:
        yield issuer


def suspend(issuer) -> int:
    return issuer.post("/suspend", what=AGENT, reason="a test")["seq"]


def resume(issuer) -> int:
    return issuer.post("/resume", what=AGENT, reason="a test")["seq"]


def report(issuer, seq, wait_seconds=0):
    answer = issuer.operator.get(f"/enforcement/{seq}", params={"wait_seconds": wait_seconds}, timeout=40)
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(issuer, seq):
    """Who enforces it, and who is silent."""
    told = report(issuer, seq)
    return sorted(one["verifier"] for one in told["enforced"]), sorted(one["verifier"] for one in told["silent"])


def rows(folder, sql):
    with sqlite3.connect(folder / "remit.db") as connection:
        found = connection.execute(sql).fetchall()
    connection.close()
    return found


def test_a_revocation_is_seen_to_take_effect(issuer, credential):
    """From the stream of events to the acknowledgement to the answer, in well under a second."""
    one, two = (RawVerifier(issuer, credential, name).register() for name in ("one", "two"))
    with one.acknowledging(), two.acknowledging():
        listed = issuer.operator.get("/verifiers").json()["items"]
        assert [(item["name"], item["provider"], item["connected"]) for item in listed] == [
            (name, "shop", True) for name in (item["name"] for item in listed)
        ]
        began = time.monotonic()
        seq = suspend(issuer)
        told = report(issuer, seq, wait_seconds=10)
        assert time.monotonic() - began < 2
    assert sorted(item["verifier"] for item in told["enforced"]) == ["one", "two"]
    assert told["silent"] == []
    assert all(item["milliseconds"] < 2000 for item in told["enforced"])
    assert (told["verb"], told["what"]) == ("suspend", f"agent {AGENT}")


def test_who_is_connected_without_a_name_is_counted_and_never_awaited(issuer, credential):
    """Anonymous subscribers cannot hold up the command."""
    RawVerifier(issuer, credential, "named").register()
    with httpx.stream("GET", f"{issuer.url}/status/events") as stream:
        lines = stream.iter_lines()
        next(lines)
        told = report(issuer, suspend(issuer))
    assert (told["anonymous"], [item["verifier"] for item in told["silent"]]) == (1, ["named"])


def test_verifiers_are_let_in_by_their_providers_credential_alone(issuer, credential):
    """Nobody else's, no operator's, none at all; a new credential ends the old one."""
    operator = json.loads((issuer.folder / "operator.json").read_text())["token"]
    other = RawVerifier(issuer, register_provider(issuer, "other"), "other").register()
    one = RawVerifier(issuer, credential, "one").register()
    for wrong in ("", operator, credential[:-1] + "x", "x"):
        headers = {"Authorization": f"Bearer {wrong}"} if wrong else {}
        for method, path in (("POST", ""), ("POST", f"/{one.instance}/acks"), ("DELETE", f"/{one.instance}")):
            answer = httpx.request(method, f"{issuer.url}/status/verifiers{path}", headers=headers, json={})
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    answer = other.http.post(f"/status/verifiers/{one.instance}/acks", json={"seq": 0})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_verifier")
    assert other.http.delete(f"/status/verifiers/{one.instance}").status_code == 404
    assert names(issuer, suspend(issuer))[1] == ["one", "other"]
    issuer.post("/providers/shop/credential")
    assert one.ack(1).status_code == 401


def test_a_stopped_providers_credential_is_refused_and_its_streams_end(issuer, credential):
    """And nobody waits for its verifiers; resumed, they register again."""
    one = RawVerifier(issuer, credential, "one").register()
    with one.http.stream("GET", "/status/events", params={"verifier": one.instance}) as stream:
        lines = stream.iter_lines()
        next(lines)
        issuer.post("/suspend", what="provider:shop", reason="a test")
        for _ in lines:
            continue
    assert one.ack(0).status_code == 401
    assert names(issuer, suspend(issuer)) == ([], [])
    issuer.post("/resume", what="provider:shop", reason="a test")
    assert one.ack(0).json()["code"] == "unknown_verifier"
    one.register()
    assert names(issuer, resume(issuer)) == ([], ["one"])


def test_goodbye_is_durable(issuer, credential, folder):
    """When it is answered the row is gone."""
    one = RawVerifier(issuer, credential).register()
    assert one.leave().status_code == 204
    issuer.kill()
    assert rows(folder, "SELECT * FROM verifiers") == []


@pytest.mark.parametrize("step", [step for step in STEPS if step != "second-statement"])  # there is one
def test_killed_while_a_verifier_registers(folder, credential, step):
    """A registration that was answered is awaited after the restart; one that was not is awaited only if it is there."""
    with running(folder / "remit.toml", program=CRASHING) as issuer:
        RawVerifier(issuer, credential, "before").register()
        (folder / "crash").write_text(f"1 {step}")
        with pytest.raises(httpx.HTTPError):
            RawVerifier(issuer, credential, "during").register()
        assert issuer.process.wait(10) == -9
    (folder / "crash").unlink()
    with running(folder / "remit.toml") as issuer:
        expected = ["before", "during"] if step == "committed" else ["before"]
        assert names(issuer, suspend(issuer)) == ([], expected)
        during = RawVerifier(issuer, credential, "during").register()
        assert during.head == 1
        assert names(issuer, 1) == ([], expected)


def test_killed_between_acknowledgement_and_its_record(folder, credential):
    """Who acknowledged is silent after the restart until it says so again; the change is settled then, once."""
    with running(folder / "remit.toml") as issuer:
        one, two = (RawVerifier(issuer, credential, name).register() for name in ("one", "two"))
        seq = suspend(issuer)
        assert one.ack(seq).status_code == 204
        issuer.kill()
    with running(folder / "remit.toml") as issuer:
        for verifier in (one, two):
            verifier.connect(issuer, credential)
        assert "two" in names(issuer, seq)[1]
        assert not report(issuer, seq)["settled"]
        for verifier in (one, two):
            assert verifier.ack(seq).status_code == 204
        told = report(issuer, seq, wait_seconds=10)
        assert (len(told["enforced"]), told["silent"]) == (2, [])
        deadline = time.monotonic() + 5
        while not report(issuer, seq)["settled"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert issuer.stop() == 0
    assert rows(folder, "SELECT seq, enforced, silent FROM status_changes") == [(seq, 2, 0)]
    assert rows(folder, "SELECT count(*) FROM audit WHERE kind = 'enforcement'") == [(1,)]


@pytest.mark.parametrize("step", STEPS)
def test_killed_while_settling(folder, credential, step):
    """The outcome is written once, before or after the restart, and so is its record."""
    with running(folder / "remit.toml", program=CRASHING) as issuer:
        one = RawVerifier(issuer, credential, "one").register()
        seq = suspend(issuer)
        time.sleep(0.2)  # a round that has nothing to do with it is over
        (folder / "crash").write_text(f"1 {step}")
        assert one.ack(seq).status_code == 204
        assert issuer.process.wait(10) == -9
    (folder / "crash").unlink()
    with running(folder / "remit.toml") as issuer:
        one.connect(issuer, credential)
        assert one.ack(seq).status_code == 204
        deadline = time.monotonic() + 5
        while not report(issuer, seq)["settled"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert report(issuer, seq)["silent"] == []
        assert issuer.stop() == 0
    assert rows(folder, "SELECT seq, enforced, silent FROM status_changes") == [(seq, 1, 0)]
    assert rows(folder, "SELECT count(*) FROM audit WHERE kind = 'enforcement'") == [(1,)]


def test_a_stop_keeps_nobody_waiting(issuer, credential):
    """A request that waits for a verifier is answered when the issuer stops, not cut off after its grace."""
    import threading  # noqa: PLC0415 - only here

    RawVerifier(issuer, credential).register()
    seq = suspend(issuer)
    told = []
    waiting = threading.Thread(target=lambda: told.append(report(issuer, seq, wait_seconds=30)))
    waiting.start()
    time.sleep(0.3)
    began = time.monotonic()
    assert issuer.stop() == 0
    waiting.join(10)
    assert time.monotonic() - began < 5
    assert [one["verifier"] for one in told[0]["silent"]] == ["raw"]
