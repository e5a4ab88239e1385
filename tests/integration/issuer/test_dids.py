"""DIDs of a running issuer, as others resolve them, and histories that survive SIGKILL."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from remit.webvh import verify_history
from tests.fakes.certificates import write_certificate
from tests.fakes.crashing_issuer import STEPS
from tests.fakes.issuer_process import initialize, running
from tests.fakes.ports import free_port

HOST = "issuer.example.org"
PLANNER = "/account/acme/agent/planner"
CRASHING = (sys.executable, "-m", "tests.fakes.crashing_issuer")
ROOT = Path(__file__).parents[3]


class Site:
    """An issuer with TLS under a host name, and its clients, who connect to this machine for that name."""

    def __init__(self, issuer, port, chain):
        self.chain = chain
        token = json.loads((issuer.folder / "operator.json").read_text())["token"]
        options = {"base_url": f"https://127.0.0.1:{port}", "verify": False}
        self.http = httpx.Client(**options)
        self.operator = httpx.Client(**options, headers={"Authorization": f"Bearer {token}"})
        for client in (self.http, self.operator):
            issuer.hold(client)

    def change(self, path, **body):
        answer = self.operator.post(f"/v1/admin{path}", json=body)
        assert answer.is_success, answer.text

    def stop(self, verb, what):
        """Do it, in a second of its own."""
        time.sleep(1.1)
        self.change(f"/{verb}", what=what, reason="a test")

    def has_ended(self):
        """Wait until the history says so: those below an account that was revoked are ended behind the answer."""
        ends = time.monotonic() + 10
        while '"deactivated":true' not in self.log():
            assert time.monotonic() < ends, "the history does not end"
            time.sleep(0.02)

    def log(self, path=PLANNER):
        return self.http.get(f"{path}/did.jsonl").text

    def did(self, path=PLANNER):
        return verify_history(self.log(path), now=int(time.time())).did

    def resolve(self, *dids):
        """What the reference resolver makes of DID URLs."""
        words = [sys.executable, "-m", "tests.fakes.webvh_resolver", *dids]
        environment = {**os.environ, "SSL_CERT_FILE": str(self.chain)}
        done = subprocess.run(words, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=60)
        return json.loads(done.stdout)


@pytest.fixture
def site(tmp_path):
    port = free_port()
    chain, key = write_certificate(tmp_path, HOST)
    url = f"https://{HOST}:{port}"
    config = initialize(tmp_path / "data", "--public-url", url)
    text = config.read_text().replace(
        'listen = "127.0.0.1:0"',
        f'listen = "127.0.0.1:{port}"\ntls_certificate = "{chain}"\ntls_key = "{key}"',
    )
    config.write_text(text)
    with running(config) as issuer:
        site = Site(issuer, port, chain)
        site.change("/accounts", name="acme", owner="ana")
        for agent in ("acme/planner", "acme/planner/sub/reader"):
            site.change("/agents", agent=agent)
        yield site


def test_an_unmodified_resolver_resolves_ours(site):
    """By did:webvh over TLS, each version of the history, and what was deactivated."""
    did = site.did()
    site.stop("suspend", "acme/planner")
    site.stop("resume", "acme/planner")
    versions = verify_history(site.log(), now=int(time.time())).versions
    assert len(versions) == 3
    wanted = [did, *(f"{did}?versionId={version.version_id}" for version in versions)]
    newest, *each = site.resolve(*wanted)
    assert newest["didDocumentMetadata"]["versionId"] == versions[-1].version_id
    for version, found in zip(versions, each, strict=True):
        assert without_implied(found["didDocument"]) == version.document
    site.stop("revoke", "acme")
    site.has_ended()
    (ended,) = site.resolve(did)
    assert ended["didDocumentMetadata"]["deactivated"] is True
    ours = site.http.get(f"/1.0/identifiers/{did}")
    assert (ours.status_code, ours.json()["didDocumentMetadata"]["deactivated"]) == (410, True)


def without_implied(document):
    """A document without the services that its resolver adds to every did:webvh."""
    services = [service for service in document["service"] if not service["id"].endswith(("#files", "#whois"))]
    return document | {"service": services}


def test_accounts_and_sub_agents_resolve_too(site):
    """Each by a name of its own."""
    dids = [site.did("/account/acme"), site.did(f"{PLANNER}/sub/reader")]
    assert [found["didDocument"]["id"] for found in site.resolve(*dids)] == dids


def test_another_scid_does_not_resolve(site):
    """Whatever is served under that name."""
    did = site.did()
    scid = did.split(":")[2]
    (found,) = site.resolve(did.replace(scid, site.did("/account/acme").split(":")[2]))
    assert found["didResolutionMetadata"]["error"] == "invalidDid"


def test_did_web_is_where_its_method_says(site):
    """did:web, Read: the path is the identifier's, over HTTPS with a certificate for the host, as JSON with that id."""
    answer = site.http.get(f"{PLANNER}/did.json")
    document = answer.json()
    _, _, host, *path = document["id"].split(":")
    assert (host.partition("%3A")[0], "/" + "/".join(path)) == (HOST, PLANNER)
    assert answer.headers["Content-Type"] == "application/did+json"
    assert site.did() in document["alsoKnownAs"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    config = initialize(tmp_path_factory.mktemp("prepared") / "data")
    with running(config) as issuer:
        issuer.register("acme/planner", "unix:uid:1")
        issuer.register("acme/planner/sub/reader", "unix:uid:2")
        for path in (PLANNER, f"{PLANNER}/sub/reader"):
            assert issuer.http.get(f"{path}/did.jsonl").is_success
        assert issuer.stop() == 0
    return config.parent


@pytest.mark.parametrize(
    ("transaction", "step"), [*((2, step) for step in STEPS), (3, "first-statement"), (3, "committed")]
)
def test_killed_while_a_history_is_written(prepared, tmp_path, transaction, step):
    """After a restart each history says the change once, and whoever checks it finds nothing broken."""
    folder = shutil.copytree(prepared, tmp_path / "data")
    time.sleep(1.1)  # the histories began in an earlier second
    with running(folder / "remit.toml", program=CRASHING) as issuer:
        (folder / "crash").write_text(f"{transaction} {step}")
        issuer.post("/suspend", what="acme/planner", reason="a test")
        assert issuer.process.wait(20) == -9
    (folder / "crash").unlink()
    with running(folder / "remit.toml") as issuer:
        for path in (PLANNER, f"{PLANNER}/sub/reader"):
            history = verify_history(issuer.http.get(f"{path}/did.jsonl").text, now=int(time.time()))
            states = [version.document["service"][1]["serviceEndpoint"]["state"] for version in history.versions]
            assert states[0] == "active"
            assert set(states[1:]) == {"suspended"}
        assert issuer.stop() == 0
