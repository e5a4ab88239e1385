"""An issuer under attack: who may ask it, what it keeps, and what a refusal must look like."""

import json
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from issuer.http.did import DID_RESOLUTION
from issuer.http.openapi.document import OPERATIONS
from issuer.http.openapi.model import Access, Operation
from remit.dpop import create_proof
from tests.fakes.issuer_process import IssuerProcess, SidecarClient
from tests.fakes.raw_verifier import register_provider
from tests.fakes.wire import Answer, Wire

SECRET = "remit_op_this-must-not-come-back-from-anywhere"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MAY_CHANGE = frozenset({"audit", "idempotency"})
"""Tables that a refusal writes to."""
WRITTEN_LATER = frozenset({"status_changes", "did_log", "did_changes", "task_uses", "task_uses_read", "verifiers"})
"""Tables in which the issuer, by itself, goes on writing what became of an earlier change."""

VALID: Mapping[str, dict[str, Any]] = {
    "/v1/admin/accounts": {"name": "new", "owner": "o"},
    "/v1/admin/agent-keys/{jkt}/revoke": {"reason": "r"},
    "/v1/admin/accounts/{name}/keys": {"proof": SECRET},
    "/v1/admin/accounts/{name}/keys/{jkt}/revoke": {"reason": "r"},
    "/v1/admin/agents": {"agent": "acme/new"},
    "/v1/admin/entries": {"agent": "acme/planner", "selectors": ["unix:uid:1"]},
    "/v1/admin/grants": {"agent": "acme/planner", "task": "t"},
    "/v1/admin/import": {"records": [{"kind": "account", "name": "new", "owner": "o"}]},
    "/v1/admin/join-tokens": {"sidecar": "edge-9"},
    "/v1/admin/operators": {"name": "new", "role": "viewer"},
    "/v1/admin/providers": {"name": "new", "audiences": ["https://api.example.com"]},
    "/v1/admin/providers/{name}/credential": {},
    "/status/verifiers": {"instance": "hostile-instance", "name": "hostile", "bound_ms": 15_000},
    "/status/verifiers/{instance}/acks": {"seq": 0},
    "/v1/admin/resolve": {"what": "acme"},
    "/v1/admin/suspend": {"what": "acme", "reason": "r"},
    "/v1/admin/resume": {"what": "acme", "reason": "r"},
    "/v1/admin/revoke": {"what": "acme", "reason": "r"},
    "/v1/admin/sidecars/{name}/evict": {"reason": "r"},
    "/v1/admin/sidecars/{name}/ban": {"reason": "r"},
    "/v1/admin/tasks/complete": {"task": "t"},
    "/v1/tasks/complete": {"agent": "acme/planner", "task": "t"},
    "/v1/admin/keys/rotate": {"purpose": "token"},
    "/v1/attest/join": {"attestor": "join_token", "evidence": {"token": SECRET}},
    "/v1/attest/session": {},
    "/v1/attest/workload": {"workloads": [{"evidence": {"attestor": "process", "uid": 7, "gid": 7}}]},
    "/v1/keys": {"evidence": {"attestor": "process", "uid": 7, "gid": 7}, "jwk": {"kty": "EC"}, "proof": "a.b.c"},
    "/v1/issue": {"requests": [{"evidence": {"attestor": "process", "uid": 7, "gid": 7}, "audience": "a"}]},
}
"""A body that each route can read."""

POSTS = [operation for operation in OPERATIONS if operation.method == "POST"]
JSON_POSTS = [operation for operation in POSTS if not operation.form]


def path_of(operation: Operation) -> str:
    """A path of the route, with `x` for everything that varies."""
    return re.sub(r"\{\w+\}", "x", operation.path)


class Ground:
    """A running issuer with a registry, and callers of every kind."""

    def __init__(self, issuer: IssuerProcess) -> None:
        issuer.register("acme/planner", "unix:uid:1000", sidecar=None)
        issuer.register("rival/agent", "unix:uid:2000", sidecar=None)
        self.issuer = issuer
        self.wire = Wire(issuer.url)
        self.sidecar: SidecarClient = issuer.joined("edge-1")
        self.sidecar.post("/v1/attest/workload", VALID["/v1/attest/workload"])  # it knows the nonce now
        self.admin = json.loads((issuer.folder / "operator.json").read_text())["token"]
        self.provider = register_provider(issuer)
        self.database = issuer.folder / "remit.db"

    def operator(self, name: str, role: str, account: str | None = None) -> str:
        """Register an operator; returns the credential."""
        limited = {"account": account} if account else {}
        return self.issuer.post("/operators", name=name, role=role, **limited)["token"]

    def credentials(self, operation: Operation, path: str, body: bytes) -> list[tuple[str, str]]:
        """The headers that admit a caller to `operation`."""
        if operation.access is Access.PUBLIC:
            return []
        if operation.access is Access.OPERATOR:
            return [("Authorization", f"Bearer {self.admin}")]
        if operation.access is Access.PROVIDER:
            return [("Authorization", f"Bearer {self.provider}")]
        session = self.sidecar.session if operation.access in (Access.SESSION, Access.EVIDENCE) else None
        proof = ("DPoP", self.proof(path, body, session))
        return [proof, ("Authorization", f"DPoP {session}")] if session else [proof]

    def proof(self, path: str, body: bytes, session: str | None, /, **bent: Any) -> str:
        """A good proof by the sidecar's key, but for what is `bent`."""
        given = {"now": int(time.time()), "nonce": self.sidecar.nonce, "body": body, "access_token": session, **bent}
        method, url = given.pop("method", "POST"), given.pop("url", self.issuer.url + path)
        return create_proof(given.pop("key", self.sidecar.key), method, url, **given)

    def ask(
        self,
        operation: Operation,
        body: bytes = b"",
        *,
        path: str | None = None,
        media_type: str | None = JSON,
        headers: Any = (),
    ) -> Answer:
        """One request by somebody who is admitted."""
        path = path or path_of(operation)
        content = [("Content-Type", media_type)] if media_type and operation.method == "POST" else []
        credentials = self.credentials(operation, path.partition("?")[0], body)
        return self.wire.send(operation.method, path, [*credentials, *content, *headers], body)

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that is kept, but for what a refusal writes."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            kept = sorted(name for name in names if name not in MAY_CHANGE | WRITTEN_LATER)
            return {name: database.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in kept}

    def refusals(self) -> list[tuple[str, str]]:
        """The actor and the code of every refusal on record."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT actor, detail FROM audit WHERE outcome = 'refused' ORDER BY seq").fetchall()
        return [(actor, json.loads(detail)["code"]) for actor, detail in rows]

    def audit_text(self) -> str:
        """The audit log as text."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            return str(database.execute("SELECT * FROM audit").fetchall())

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """What is done inside changes nothing, and the issuer still answers."""
        before = self.tables()
        yield
        after = self.tables()
        changed = [name for name in before if after[name] != before[name]]
        assert not changed, changed
        assert self.wire.send("GET", "/healthz/ready").status == 200


def check_refusal(answer: Answer, operation: Operation | None = None, *, code: str | None = None) -> str:
    """`answer` is a refusal in its proper form, and says nothing that it should not; returns the code."""
    if answer.media_type == DID_RESOLUTION:
        return _check_unresolved(answer)
    oauth = operation is not None and operation.form
    assert 400 <= answer.status < 500, (answer.status, answer.body[:200])
    if operation is not None:
        assert answer.status in {*operation.statuses, 400, 404, 405}, answer
    assert answer.media_type == (JSON if oauth else "application/problem+json"), answer
    said = answer.json()
    assert said["code"].replace("_", "").isalpha()
    if oauth:
        assert said["error"]
        assert said["error_description"]
    else:
        assert (said["status"], said["type"]) == (answer.status, f"urn:remit:problem:{said['code']}")
        assert said["detail"]
    assert SECRET not in answer.body.decode()
    assert "Traceback" not in answer.body.decode()
    assert code in (None, said["code"]), said
    return str(said["code"])


def _check_unresolved(answer: Answer) -> str:
    """`answer` says that a DID was not resolved, in the form of DID Resolution; returns the specification's word."""
    said = answer.json()
    assert answer.status in (400, 404, 406), answer
    assert (said["didDocument"], said["didDocumentMetadata"]) == (None, {})
    assert SECRET not in answer.body.decode()
    return str(said["didResolutionMetadata"]["error"])


def check_log(issuer: IssuerProcess, *, folder: Path | None = None) -> None:
    """The log tells of no defect, and of no secret."""
    text = issuer.log()
    assert "Traceback" not in text, text[text.index("Traceback") :][:6000].replace("\\n", "\n")
    assert SECRET not in text
    assert folder is None or str(folder) not in text
