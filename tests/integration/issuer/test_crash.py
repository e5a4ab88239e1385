"""SIGKILL at every step of an issuance and of a revocation: what was answered stays, and no status index is used twice."""

import shutil
import sqlite3
import sys

import httpx
import pytest

from remit.jose import parse_unverified
from tests.fakes.crashing_issuer import STEPS
from tests.fakes.issuer_process import initialize, running, wanted

UID = "unix:uid:1000"
CRASHING = (sys.executable, "-m", "tests.fakes.crashing_issuer")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data folder with a joined sidecar and a registered agent, to be copied."""
    config = initialize(tmp_path_factory.mktemp("prepared") / "data")
    with running(config) as issuer:
        sidecar = issuer.joined()
        issuer.register("acme/planner", UID, sidecar="edge-1")
        assert issuer.stop() == 0
        yield config.parent, sidecar


@pytest.fixture
def folder(prepared, tmp_path):
    return shutil.copytree(prepared[0], tmp_path / "data")


def connect(prepared, issuer):
    """The sidecar of the prepared folder, at this issuer."""
    sidecar = prepared[1]
    sidecar.url, sidecar.nonce = issuer.url, None
    sidecar.http = httpx.Client(base_url=issuer.url)
    issuer.hold(sidecar.http)
    return sidecar


def place(result):
    """Grant, status list and index of a token."""
    (credential,) = result["credentials"]
    status = parse_unverified(credential["token"]).unverified_payload()["status"]["status_list"]
    return credential["grant"], status["uri"].rpartition("/")[2], status["idx"]


def rows(folder, sql):
    with sqlite3.connect(folder / "remit.db") as connection:
        found = connection.execute(sql).fetchall()
    connection.close()
    return found


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("transaction", [1, 2], ids=["opening", "record"])
def test_killed_while_issuing(prepared, folder, transaction, step):
    """A first token of a task: its grant is opened in one transaction, the token recorded in the next."""
    with running(folder / "remit.toml", program=CRASHING) as issuer:
        sidecar = connect(prepared, issuer)
        places = {place(sidecar.issue(wanted(task="before"))[0]), place(sidecar.issue(wanted())[0])}
        (folder / "crash").write_text(f"{transaction} {step}")
        with pytest.raises(httpx.HTTPError):
            sidecar.issue(wanted(task="during"))
        assert issuer.process.wait(10) == -9
    answered = 2
    recorded = rows(folder, "SELECT count(*) FROM audit WHERE kind = 'issuance' AND outcome = 'allowed'")[0][0]
    assert recorded == answered + (transaction == 2 and step == "committed")
    with running(folder / "remit.toml") as issuer:
        sidecar = connect(prepared, issuer)
        for task in ("before", "during", "after", None):
            places.add(place(sidecar.issue(wanted(**({"task": task} if task else {})))[0]))
        assert issuer.stop() == 0
    assert len({grant for grant, _, _ in places}) == len({spot[1:] for spot in places}) == len(places) == 4
    assert rows(folder, "SELECT count(*) FROM status_indexes GROUP BY list, idx HAVING count(*) > 1") == []
    assert rows(folder, "SELECT count(*) FROM status_indexes GROUP BY grant_id HAVING count(*) > 1") == []
    assert rows(folder, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("step", STEPS)
def test_killed_while_revoking(prepared, folder, step):
    """Agent, status of every grant, head and audit record: all of it or nothing, and all of it once it was answered."""
    with running(folder / "remit.toml", program=CRASHING) as issuer:
        sidecar = connect(prepared, issuer)
        sidecar.issue(wanted(task="a"), wanted(task="b"))
        (folder / "crash").write_text(f"1 {step}")
        with pytest.raises(httpx.HTTPError):
            issuer.post("/revoke", what="acme/planner", reason="test")
        assert issuer.process.wait(10) == -9
    done = step == "committed"
    values = {value for (value,) in rows(folder, "SELECT value FROM status_indexes")}
    states = rows(folder, "SELECT state FROM agents")
    records = rows(folder, "SELECT count(*) FROM audit WHERE kind = 'revoke'")
    (head,) = rows(folder, "SELECT seq FROM status_head")
    expected = ({1}, [("revoked",)], [(1,)], (1,)) if done else ({0}, [("active",)], [(0,)], (0,))
    assert (values, states, records, head) == expected
    with running(folder / "remit.toml") as issuer:
        (result,) = connect(prepared, issuer).issue(wanted(task="a"))
        assert ("problem" in result) == done


CHANGES = {
    "taint": ("/revoke", {"what": "key:{kid}", "reason": "test"}),
    "complete": ("/tasks/complete", {"task": "a"}),
    "evict": ("/sidecars/edge-1/evict", {"reason": "test", "revoke_issued": True}),
    "ban": ("/sidecars/edge-1/ban", {"reason": "test"}),
    "suspend": ("/suspend", {"what": "acme", "reason": "test"}),
}


@pytest.mark.parametrize(
    ("change", "step"),
    [("taint", step) for step in STEPS]
    + [(change, step) for change in CHANGES if change != "taint" for step in ("second-statement", "committed")],
)
def test_killed_while_changing(prepared, folder, change, step):
    """Nothing of a change is there before its commit; a signing key is tainted whole or not at all, and never missing."""
    with running(folder / "remit.toml", program=CRASHING) as issuer:
        sidecar = connect(prepared, issuer)
        sidecar.issue(wanted(task="a"))
        (old,) = kids(issuer)
        path, body = CHANGES[change]
        before = contents(folder)
        (folder / "crash").write_text(f"1 {step}")
        with pytest.raises(httpx.HTTPError):
            issuer.post(
                path, **{name: str(value).format(kid=old) if name == "what" else value for name, value in body.items()}
            )
        assert issuer.process.wait(10) == -9
    done = step == "committed"
    assert (contents(folder) != before) == done
    (folder / "crash").unlink()
    with running(folder / "remit.toml") as issuer:
        (new,) = kids(issuer)
        assert (new != old) == (done and change == "taint")
        assert (folder / "keys" / f"{old}.pem").exists() == (new == old)
        if not done or change == "taint":
            (result,) = connect(prepared, issuer).issue(wanted(task="b"))
            token = result["credentials"][0]["token"]
            assert parse_unverified(token).unverified_header()["kid"] == new
        assert issuer.stop() == 0


def kids(issuer):
    """The token keys that are published."""
    return [key["kid"] for key in issuer.http.get("/keys").json()["keys"]]


def contents(folder):
    """Everything that a change of an operator writes."""
    tables = (
        "accounts",
        "agents",
        "grants",
        "sidecars",
        "sidecar_sessions",
        "signing_keys",
        "status_indexes",
        "status_changes",
    )
    return [rows(folder, f"SELECT * FROM {table} ORDER BY 1, 2") for table in (*tables, "status_head")]


def test_killed_after_the_answer(prepared, folder):
    """What was answered is durable: no shutdown is needed for it."""
    with running(folder / "remit.toml") as issuer:
        sidecar = connect(prepared, issuer)
        sidecar.issue(wanted())
        issuer.post("/revoke", what="acme/planner", reason="test")
        issuer.kill()
    with running(folder / "remit.toml") as issuer:
        (result,) = connect(prepared, issuer).issue(wanted())
        assert result["problem"]["code"] == "agent_not_active"
    assert rows(folder, "SELECT count(*) FROM audit WHERE kind = 'issuance' AND outcome = 'allowed'") == [(1,)]
