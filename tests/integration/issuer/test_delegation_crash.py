"""SIGKILL at every step of a first delegation: sub-agent, grant and index are there together or not at all, and no token without a record."""

import shutil
import sqlite3
import sys

import httpx
import pytest

from remit.jose import parse_unverified
from tests.fakes.crashing_issuer import STEPS
from tests.fakes.exchanging import Exchange, parents_token
from tests.fakes.issuer_process import initialize, running

CRASHING = (sys.executable, "-m", "tests.fakes.crashing_issuer")
PARENT, CHILD = "acme/planner", "acme/planner/sub/reader"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data folder with a joined sidecar and a registered parent, to be copied."""
    config = initialize(tmp_path_factory.mktemp("prepared") / "data")
    with running(config) as issuer:
        sidecar = issuer.joined()
        issuer.register(PARENT, "unix:uid:1000", sidecar="edge-1")
        assert issuer.stop() == 0
        yield config.parent, sidecar


@pytest.fixture
def folder(prepared, tmp_path):
    return shutil.copytree(prepared[0], tmp_path / "data")


def connect(prepared, issuer):
    """The sidecar of the prepared folder, at this issuer; it knows the nonce."""
    sidecar = prepared[1]
    sidecar.url, sidecar.nonce = issuer.url, None
    sidecar.http = httpx.Client(base_url=issuer.url)
    issuer.hold(sidecar.http)
    token = parents_token(sidecar)
    exchange = Exchange.of(sidecar)
    exchange.nonce = sidecar.nonce
    return exchange, token


def rows(folder, sql):
    with sqlite3.connect(folder / "remit.db") as connection:
        found = connection.execute(sql).fetchall()
    connection.close()
    return found


def made(folder):
    """How many sub-agents, delegated grants, their indexes, and records of each there are."""
    return [
        rows(folder, f"SELECT count(*) FROM {what}")[0][0]
        for what in (
            "agents WHERE parent_asserted = 1",
            "grants WHERE delegated = 1",
            "status_indexes JOIN grants ON grants.id = grant_id WHERE delegated = 1",
            "audit WHERE kind = 'agent.create' AND agent LIKE '%/sub/%'",
            "audit WHERE kind = 'grant.delegate'",
        )
    ]


def tokens(folder):
    return rows(folder, f"SELECT count(*) FROM audit WHERE kind = 'issuance' AND agent = '{CHILD}'")[0][0]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("transaction", [1, 2], ids=["opening", "record"])
def test_killed_while_delegating(prepared, folder, transaction, step):
    """What is half done is not there after a restart, and the next request gets its token on one sub-agent and one grant."""
    with running(folder / "remit.toml", program=CRASHING) as issuer:
        exchange, token = connect(prepared, issuer)
        (folder / "crash").write_text(f"{transaction} {step}")
        with pytest.raises(httpx.HTTPError):
            exchange.delegate(token, CHILD)
        assert issuer.process.wait(10) == -9
    (folder / "crash").unlink()
    counts = made(folder)
    assert len(set(counts)) == 1
    assert counts[0] == (transaction == 2 or step == "committed")
    assert tokens(folder) <= (transaction == 2 and step == "committed")
    with running(folder / "remit.toml") as issuer:
        exchange, token = connect(prepared, issuer)
        said = exchange.delegate(token, CHILD).json()
        assert parse_unverified(said["access_token"]).unverified_payload()["sub"].endswith("/sub/reader")
        assert issuer.stop() == 0
    assert made(folder) == [1] * 5
    assert rows(folder, "SELECT count(*) FROM status_indexes GROUP BY list, idx HAVING count(*) > 1") == []
    assert rows(folder, "PRAGMA integrity_check") == [("ok",)]
