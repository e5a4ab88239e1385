"""`POST /revoke` (RFC 7009) over real HTTP: by operators, by the holder of a token; and nothing is said of any other token."""

import sqlite3
import time
from contextlib import closing
from urllib.parse import urlencode

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from remit.dpop import create_proof
from remit.jose import parse_unverified
from tests.fakes.issuer_process import initialize, running, wanted

UID = "unix:uid:1000"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    config = initialize(tmp_path_factory.mktemp("revoking") / "data")
    with running(config) as issuer:
        issuer.register("acme/planner", UID, sidecar=None)
        issuer.sidecar = issuer.joined("edge-1")
        issuer.post("/entries", agent="acme/planner", selectors=[UID, "unix:gid:1000"], sidecar="edge-1")
        yield issuer
        assert "Traceback" not in issuer.log()


@pytest.fixture
def task(request):
    """A task that no other test has."""
    return f"task-{abs(hash(request.node.nodeid)) % 10**9}"


def issued(issuer, task=None) -> str:
    (result,) = issuer.sidecar.issue(wanted(**({"task": task} if task else {})))
    return result["credentials"][0]["token"]


def status(issuer, token) -> int:
    """What the lists say of the token's index."""
    place = parse_unverified(token).unverified_payload()["status"]["status_list"]
    with closing(sqlite3.connect(f"file:{issuer.folder / 'remit.db'}?mode=ro", uri=True)) as database:
        sql = "SELECT value FROM status_indexes WHERE list = ? AND idx = ?"
        return database.execute(sql, (int(place["uri"].rpartition("/")[2]), place["idx"])).fetchone()[0]


class Holder:
    """Somebody with a key, at the endpoint."""

    def __init__(self, issuer, key):
        self.issuer, self.key, self.nonce = issuer, key, None

    def revoke(self, token, *, covered=True, **bent) -> httpx.Response:
        """A proved request; once more when the nonce was old."""
        answer = self.send(token, covered=covered, **bent)
        return self.send(token, covered=covered, **bent) if answer.json().get("error") == "use_dpop_nonce" else answer

    def send(self, token, *, covered=True, method="POST", path="/revoke") -> httpx.Response:
        body = urlencode({"token": token}).encode()
        proof = create_proof(
            self.key,
            method,
            self.issuer.url + path,
            now=int(time.time()),
            nonce=self.nonce,
            **({"body": body} if covered else {}),
        )
        answer = self.issuer.http.post("/revoke", content=body, headers={**FORM, "DPoP": proof})
        self.nonce = answer.headers.get("DPoP-Nonce", self.nonce)
        return answer


def by_operator(issuer, token, credential=None, **more) -> httpx.Response:
    authorization = f"Bearer {credential}" if credential else issuer.operator.headers["Authorization"]
    return issuer.http.post("/revoke", data={"token": token, **more}, headers={"Authorization": authorization})


def test_an_operator_revokes_what_a_token_stands_for(issuer, task):
    """The grant of its task, as `remit revoke` does; a hint of its type is tolerated, a right one and a wrong one."""
    token = issued(issuer, task)
    answer = by_operator(issuer, token, token_type_hint="refresh_token")
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["Cache-Control"] == "no-store"
    assert status(issuer, token) == 1
    assert issuer.sidecar.issue(wanted(task=task))[0]["problem"]["code"] == "no_grant"


def test_the_sidecar_that_obtained_it_gives_it_back(issuer, task):
    """By a proof of its key that covers the form; a standing grant goes on with a fresh index."""
    token, standing = issued(issuer, task), issued(issuer)
    holder = Holder(issuer, issuer.sidecar.key)
    assert holder.revoke(token).status_code == holder.revoke(standing).status_code == 200
    assert (status(issuer, token), status(issuer, standing)) == (1, 1)
    again = issued(issuer)
    assert status(issuer, again) == 0
    records = issuer.operator.get("/audit", params={"kind": "revoke", "limit": 1000}).json()["records"]
    assert [(record["actor"], record["agent"]) for record in records][-2:] == [("sidecar:edge-1", "acme/planner")] * 2


def test_a_stranger_revokes_nothing_and_learns_nothing(issuer, task):
    """Another key; another sidecar; a proof that does not cover the form; a token that nobody issued: one answer for all."""
    token = issued(issuer, task)
    others = issuer.joined(f"other-{task}")
    answers = [
        Holder(issuer, ec.generate_private_key(ec.SECP256R1())).revoke(token),
        Holder(issuer, others.key).revoke(token),
        Holder(issuer, issuer.sidecar.key).revoke(token, covered=False),
        Holder(issuer, issuer.sidecar.key).revoke("eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiJ4In0.AAAA"),
        Holder(issuer, issuer.sidecar.key).revoke("acme/planner"),
        by_operator(issuer, "acme"),
        by_operator(issuer, "account:acme"),
        by_operator(issuer, "eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOlsxXX0.AAAA"),
        by_operator(issuer, "." * 9000),
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, "{}")}
    assert status(issuer, token) == 0


def test_an_operator_of_another_account_revokes_nothing(issuer, task):
    """To them there is no such token."""
    issuer.operator.post("/accounts", json={"name": "rival", "owner": "o"})
    theirs = issuer.post("/operators", name=f"bob-{task}", role="operator", account="rival")["token"]
    token = issued(issuer, task)
    assert by_operator(issuer, token, theirs).status_code == 200
    assert status(issuer, token) == 0


def test_a_viewer_may_not(issuer, task):
    """403 in OAuth's shape, and on record."""
    viewer = issuer.post("/operators", name=f"eve-{task}", role="viewer")["token"]
    token = issued(issuer, task)
    answer = by_operator(issuer, token, viewer)
    assert (answer.status_code, answer.json()["error"], answer.json()["code"]) == (403, "access_denied", "forbidden")
    assert status(issuer, token) == 0
    (record,) = issuer.operator.get("/audit", params={"outcome": "refused", "newest": True, "limit": 1}).json()[
        "records"
    ]
    assert (record["kind"], record["actor"]) == ("revoke", f"operator:eve-{task}")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "unauthenticated"),
        ({"Authorization": "Bearer remit_op_nobody"}, "unauthenticated"),
        ({"Authorization": "Basic YTpi"}, "unauthenticated"),
        ({"Authorization": "Bearer"}, "unauthenticated"),
    ],
)
def test_nobody_is_refused(issuer, headers, code):
    """RFC 6749 section 5.2: `invalid_client`, 401, and how to ask."""
    answer = issuer.http.post("/revoke", data={"token": issued(issuer)}, headers=headers)
    assert (answer.status_code, answer.json()["error"], answer.json()["code"]) == (401, "invalid_client", code)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_proof_for_something_else_is_refused(issuer, task):
    """Another method, another route, used twice."""
    token = issued(issuer, task)
    holder = Holder(issuer, issuer.sidecar.key)
    holder.revoke("none")
    for bent in ({"method": "GET"}, {"path": "/token"}):
        answer = holder.send(token, **bent)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    body = urlencode({"token": token}).encode()
    proof = create_proof(
        holder.key, "POST", f"{issuer.url}/revoke", now=int(time.time()), nonce=holder.nonce, body=body
    )
    answers = [issuer.http.post("/revoke", content=body, headers={**FORM, "DPoP": proof}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 400]


@pytest.mark.parametrize(
    ("body", "headers", "status_code", "code"),
    [
        (b"", FORM, 400, "malformed_request"),
        (b"token_type_hint=x", FORM, 400, "malformed_request"),
        (b"token=a&token=b", FORM, 400, "malformed_request"),
        (b"token=", FORM, 400, "malformed_request"),
        (b"token=%FF", FORM, 400, "malformed_request"),
        (b"token=" + b"a" * 20_000, FORM, 413, "body_too_large"),
        (b'{"token": "a"}', {"Content-Type": "application/json"}, 415, "unsupported_media_type"),
    ],
)
def test_what_is_no_request_is_refused(issuer, body, headers, status_code, code):
    """In OAuth's shape, whoever asks."""
    operator = {"Authorization": issuer.operator.headers["Authorization"]}
    answer = issuer.http.post("/revoke", content=body, headers={**headers, **operator})
    assert (answer.status_code, answer.json()["code"]) == (status_code, code)
    assert answer.json()["error"] == "invalid_request"
