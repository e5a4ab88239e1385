"""Acting for a person over HTTP: their OIDC token in, a pairwise reference out, and nothing else of them anywhere."""

import json
import sqlite3
import time
from contextlib import closing

import pytest

import remit
from issuer.http.exchange import GRANT_TYPE, ID_TOKEN, JWT
from remit.jose import parse_unverified
from tests.fakes.exchanging import Exchange
from tests.fakes.issuer_process import AUDIENCE, initialize, running, wanted
from tests.fakes.oidc_provider import OIDCProvider
from tests.fakes.serving import served

AGENT = "acme/assistant"
SUBJECT, EMAIL = "00u-ana-7731", "ana@people.example"
# One provider of both: persons and workloads differ by audience alone.
TABLES = """
[[person]]
name = "login"
issuer = "{url}"
audiences = ["my-app"]
insecure_loopback_http = true

[[oidc]]
name = "ci"
issuer = "{url}"
audiences = ["agents"]
claims = ["sub"]
insecure_loopback_http = true
"""


@pytest.fixture(scope="module")
def provider():
    with served(OIDCProvider()) as provider:
        yield provider


@pytest.fixture(scope="module")
def issuer(provider, tmp_path_factory):
    extra = TABLES.format(url=provider.url)
    with running(initialize(tmp_path_factory.mktemp("issuer") / "data", extra=extra)) as issuer:
        issuer.register(AGENT, "oidc:ci:sub:robot", sidecar=None)
        yield issuer


@pytest.fixture(scope="module")
def sidecar(issuer):
    sidecar = issuer.joined()
    issuer.post("/entries", agent=AGENT, selectors=["unix:uid:1000"], sidecar="edge-1")
    return sidecar


def said(provider, **claims):
    now = int(time.time())
    usual = {"iss": provider.url, "iat": now, "exp": now + 600}
    return {name: value for name, value in {**usual, **claims}.items() if value is not None}


def persons_token(provider, **claims):
    return provider.sign(said(provider, **{"aud": "my-app", "sub": SUBJECT, "email": EMAIL, **claims}))


def evidence(provider, **claims):
    return provider.sign(said(provider, **{"aud": "agents", "sub": "robot", **claims}))


def exchange(issuer, subject, actor, **changed):
    """A token exchange: `subject` for whom, `actor` by whom."""
    fields = {
        "grant_type": GRANT_TYPE,
        "subject_token": subject,
        "subject_token_type": ID_TOKEN,
        "actor_token": actor,
        "actor_token_type": JWT,
        "audience": AUDIENCE,
        **changed,
    }
    return issuer.http.post("/token", data={name: value for name, value in fields.items() if value is not None})


def claims(token):
    return parse_unverified(token).unverified_payload()


def test_an_exchange_on_behalf_of_a_person(issuer, provider):
    """RFC 8693: the subject is the person, the actor is the workload; a provider sees a reference."""
    answer = exchange(issuer, persons_token(provider), evidence(provider), task="book-1")
    assert answer.status_code == 200, answer.text
    with remit.Verifier(issuer=issuer.url, audience=AUDIENCE) as verifier:
        credential = verifier.verify(answer.json()["access_token"])
    assert (str(credential.agent), credential.task) == (AGENT, "book-1")
    assert len(credential.on_behalf_of) == 22


def test_a_sidecar_on_behalf_of_a_person(issuer, provider, sidecar):
    """The same person has the same reference for one provider, however the agent comes; another provider sees another."""
    token = persons_token(provider)
    results = sidecar.issue(
        wanted(on_behalf_of=token),
        wanted(on_behalf_of=token, audience="https://other.example"),
        wanted(on_behalf_of=persons_token(provider, sub="00u-ben")),
        wanted(),
    )
    references = [claims(one["credentials"][0]["token"]).get("on_behalf_of") for one in results]
    direct = exchange(issuer, persons_token(provider), evidence(provider)).json()["access_token"]
    assert references[0] == claims(direct)["on_behalf_of"]
    assert (len(set(references)), references[3]) == (4, None)


def test_it_ends_no_later_than_the_persons_token(issuer, provider, sidecar):
    """However long the evidence is good."""
    ends = int(time.time()) + 60
    (result,) = sidecar.issue(wanted(on_behalf_of=persons_token(provider, exp=ends)))
    assert result["credentials"][0]["expires_at"] == ends
    token = exchange(issuer, persons_token(provider, exp=ends), evidence(provider)).json()["access_token"]
    assert claims(token)["exp"] == ends


def test_a_person_is_stopped_by_who_they_are(issuer, provider, sidecar):
    """By issuer and subject, as the operator knows them: tokens that are out, sub-agents' too, and further ones."""
    ben = {"sub": "00u-ben-stopped"}
    (result,) = sidecar.issue(wanted(on_behalf_of=persons_token(provider, **ben), audience=f"{issuer.url}/token"))
    parent = result["credentials"][0]["token"]
    delegator = Exchange.of(sidecar)
    child = delegator.delegate(parent, f"{AGENT}/sub/reader").json()["access_token"]
    issuer.post("/suspend", what=f"person:{provider.url}#{ben['sub']}", reason="test")
    with remit.Verifier(issuer=issuer.url, audience=AUDIENCE) as verifier, pytest.raises(remit.SuspendedError):
        verifier.verify(child)
    (refused,) = sidecar.issue(wanted(on_behalf_of=persons_token(provider, **ben)))
    assert refused["problem"]["code"] == "person_not_active"
    assert delegator.delegate(parent, f"{AGENT}/sub/reader").json()["code"] == "person_not_active"
    assert exchange(issuer, persons_token(provider, **ben), evidence(provider)).json()["code"] == "person_not_active"
    assert "credentials" in sidecar.issue(wanted(on_behalf_of=persons_token(provider)))[0]


def test_evidence_is_no_persons_token_and_a_persons_token_no_evidence(issuer, provider, sidecar):
    """The same provider, the same key, another audience: a workload cannot act for itself, nor a person as a workload."""
    person, robot = persons_token(provider), evidence(provider)
    both = provider.sign(said(provider, aud=["my-app", "agents"], sub="robot"))
    swaps = {
        "evidence as the person": exchange(issuer, robot, robot),
        "a person as the evidence": exchange(issuer, person, person),
        "the two swapped": exchange(issuer, robot, person),
        "a person alone": exchange(issuer, person, None, actor_token_type=None),
        "a token for both, as the person": exchange(issuer, both, robot),
        "a token for both, as the evidence": exchange(issuer, person, both),
        "a token for both, alone": exchange(issuer, both, None, actor_token_type=None),
    }
    for wrong, answer in swaps.items():
        assert (answer.status_code, answer.json()["code"]) == (400, "evidence_refused"), wrong
    results = sidecar.issue(wanted(on_behalf_of=robot), wanted(on_behalf_of=both), wanted(on_behalf_of="x"))
    assert {result["problem"]["code"] for result in results} == {"evidence_refused"}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"aud": "agents"}, "evidence_refused"),
        ({"aud": "somebody"}, "evidence_refused"),
        ({"iss": "https://evil.example"}, "evidence_refused"),
        ({"sub": None}, "evidence_refused"),
        ({"sub": ""}, "evidence_refused"),
        ({"exp": 1}, "evidence_expired"),
        ({"exp": None}, "evidence_refused"),
        ({"iat": 1}, "evidence_expired"),
    ],
)
def test_what_is_no_persons_token(issuer, provider, sidecar, changed, code):
    """At both doors; the refusal says that it is the person's token, and nothing of it."""
    token = persons_token(provider, **changed)
    answer = exchange(issuer, token, evidence(provider)).json()
    (result,) = sidecar.issue(wanted(on_behalf_of=token))
    assert (answer["code"], result["problem"]["code"]) == (code, code)
    assert "the person's token" in answer["error_description"]


@pytest.mark.parametrize(
    "changed",
    [
        {"actor_token": None},
        {"actor_token_type": None},
        {"actor_token_type": "urn:ietf:params:oauth:token-type:access_token"},
        {"subject_token_type": "urn:remit:token-type:jwt-svid"},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:access_token"},
    ],
)
def test_wrong_parameters(issuer, provider, changed):
    """Refused, never ignored."""
    answer = exchange(issuer, persons_token(provider), evidence(provider), **changed)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


def test_nothing_of_a_person_is_kept(issuer, provider, sidecar):
    """Not in the database, its journal or the log: no subject, no address, no issuer beside them, no token; the reference is."""
    token, refused = persons_token(provider), persons_token(provider, aud="somebody")
    issued = claims(sidecar.issue(wanted(on_behalf_of=token, reason="books a table"))[0]["credentials"][0]["token"])
    exchange(issuer, token, evidence(provider), task="private")
    exchange(issuer, refused, evidence(provider))
    sidecar.issue(wanted(on_behalf_of=refused), wanted(on_behalf_of=token, task="a b"))
    with closing(sqlite3.connect(f"file:{issuer.folder / 'remit.db'}?mode=ro", uri=True)) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        kept = json.dumps({name: database.execute(f"SELECT * FROM {name}").fetchall() for name in tables})
        persons = database.execute("SELECT count(*) FROM persons").fetchone()[0]
        details = database.execute("SELECT detail FROM audit WHERE jti = ?", (issued["jti"],)).fetchone()[0]
    assert persons > 0
    assert json.loads(details)["on_behalf_of"] == issued["on_behalf_of"]
    files = b"".join(path.read_bytes() for path in issuer.folder.iterdir() if path.name.startswith("remit.db"))
    for secret in (SUBJECT, EMAIL, token, refused, token.split(".")[1], token.split(".")[2]):
        assert secret not in kept
        assert secret.encode() not in files
        assert secret not in issuer.log()
