"""Tokens out of a real issuer process, checked by the library and by others' libraries; revoked, and refused."""

import time

import httpx
import jwt
import pytest

import remit
from remit.jose import parse_unverified
from tests.fakes.issuer_process import AUDIENCE, initialize, running, wanted

UID = "unix:uid:1000"


@pytest.fixture
def issuer(tmp_path):
    extra = "\n[keys]\nprepare_seconds = 2\nrefresh_hint_seconds = 1\n"
    with running(initialize(tmp_path / "data", extra=extra)) as issuer:
        yield issuer


@pytest.fixture
def sidecar(issuer):
    sidecar = issuer.joined()
    issuer.register("acme/planner", UID, sidecar="edge-1")
    return sidecar


def token_of(result):
    assert "credentials" in result, result
    return result["credentials"][0]["token"]


def test_a_sidecar_gets_what_a_provider_accepts(issuer, sidecar):
    """From a join token to a verified credential, everything over real sockets."""
    (result,) = sidecar.issue(wanted(task="task-81"))
    (credential,) = result["credentials"]
    with remit.Verifier(issuer=issuer.url, audience=AUDIENCE) as verifier:
        verified = verifier.verify(credential["token"])
    assert (str(verified.agent), verified.account, verified.task) == ("acme/planner", "acme", "task-81")
    assert verified.expires_at == credential["expires_at"]
    assert credential["spiffe_id"] == "spiffe://example.org/account/acme/agent/planner"


def test_other_libraries_find_the_key_by_discovery(issuer, sidecar):
    """PyJWT with nothing but the issuer's URL; `kid` chooses the key."""
    token = token_of(sidecar.issue(wanted())[0])
    metadata = issuer.http.get("/.well-known/openid-configuration").json()
    assert metadata == issuer.http.get("/.well-known/oauth-authorization-server").json()
    key = jwt.PyJWKClient(metadata["jwks_uri"]).get_signing_key_from_jwt(token)
    claims = jwt.decode(token, key, algorithms=["ES256"], audience=AUDIENCE, issuer=metadata["issuer"])
    assert claims["sub"] == "spiffe://example.org/account/acme/agent/planner"


def test_a_revoked_agent_is_refused_by_provider_and_issuer(issuer, sidecar):
    """The token that is out, and every further one; also when the sidecar's session is good."""
    token = token_of(sidecar.issue(wanted())[0])
    with remit.Verifier(issuer=issuer.url, audience=AUDIENCE, poll_interval=0.1) as verifier:
        verifier.verify(token)
        issuer.post("/revoke", what="acme/planner", reason="test")
        with pytest.raises(remit.RevokedError):
            _until_refused(verifier, token)
    (result,) = sidecar.issue(wanted())
    assert result["problem"]["code"] == "agent_not_active"
    assert issuer.http.get("/account/acme/agent/planner/did.json").status_code == 410


def test_suspension_takes_and_resumption_returns(issuer, sidecar):
    """The same token is good again."""
    token = token_of(sidecar.issue(wanted())[0])
    with remit.Verifier(issuer=issuer.url, audience=AUDIENCE, poll_interval=0.1) as verifier:
        issuer.post("/suspend", what="acme/planner", reason="test")
        with pytest.raises(remit.SuspendedError):
            _until_refused(verifier, token)
        issuer.post("/resume", what="acme/planner", reason="test")
        _until_accepted(verifier, token)


def test_rotation_refuses_no_token(issuer, sidecar):
    """Old key, prepared key, new key: each token of each moment verifies at a provider that knows nothing of rotation."""
    with remit.Verifier(issuer=issuer.url, audience=AUDIENCE, poll_interval=0.2) as verifier:
        kids, deadline, rotated = [], time.monotonic() + 4, False
        tokens = []
        while time.monotonic() < deadline:
            tokens.append(token_of(sidecar.issue(wanted())[0]))
            kids.append(parse_unverified(tokens[-1]).unverified_header()["kid"])
            for token in tokens[:1] + tokens[-1:]:
                verifier.verify(token)
            if not rotated:
                issuer.post("/keys/rotate")
                rotated = True
            time.sleep(0.05)
    assert len(dict.fromkeys(kids)) == 2
    states = {key["kid"]: key["state"] for key in issuer.operator.get("/keys").json()["items"]}
    assert states[kids[-1]] == "active"


def test_a_batch_keeps_its_order(issuer, sidecar):
    """Each request has its own outcome in its own place."""
    refused = {"evidence": {"attestor": "nobody"}, "audience": AUDIENCE}
    results = sidecar.issue(wanted(), refused, wanted(uid=7), wanted(audience="https://other.example"))
    assert ["credentials" in result for result in results] == [True, False, False, True]
    assert [result["problem"]["code"] for result in results[1:3]] == ["evidence_refused", "no_entry"]


def test_each_token_and_each_refusal_is_in_the_audit_log(issuer, sidecar):
    """By jti, with what the token leaves out."""
    claims = parse_unverified(token_of(sidecar.issue(wanted(reason="cheap"))[0])).unverified_payload()
    sidecar.issue(wanted(uid=7))
    records = issuer.operator.get("/audit", params={"kind": "issuance"}).json()["records"]
    assert [record["outcome"] for record in records] == ["allowed", "refused"]
    assert records[0]["jti"] == claims["jti"]
    assert records[0]["detail"]["reason"] == "cheap"
    assert UID in records[0]["detail"]["selectors"]


def test_did_documents(issuer, sidecar):
    """Agent and account; the document names no key of the issuer."""
    host = issuer.url.removeprefix("http://").replace(":", "%3A")
    document = issuer.http.get("/account/acme/agent/planner/did.json").json()
    assert document["id"] == f"did:web:{host}:account:acme:agent:planner"
    assert document["controller"] == f"did:web:{host}:account:acme"
    assert document["alsoKnownAs"][1:] == ["spiffe://example.org/account/acme/agent/planner"]
    assert "verificationMethod" not in document
    assert issuer.http.get("/account/acme/did.json").json()["id"] == document["controller"]
    assert issuer.http.get("/account/acme/agent/nobody/did.json").status_code == 404


def test_status_lists_are_announced_signed_and_compressed(issuer):
    """Two lists from the first day, none of them ever a 304."""
    uris = issuer.http.get("/statuslists").json()["status_lists"]
    assert uris == [f"{issuer.url}/statuslists/1", f"{issuer.url}/statuslists/2"]
    answer = httpx.get(
        uris[0], headers={"Accept-Encoding": "gzip", "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}
    )
    assert (answer.status_code, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert answer.headers["Content-Type"] == "application/statuslist+jwt"
    claims = parse_unverified(answer.content, max_bytes=1 << 20).unverified_payload()
    assert (claims["sub"], claims["status_list"]["bits"], claims["seq"]) == (uris[0], 2, 0)
    assert abs(claims["iat"] - time.time()) < 3
    status_kids = {key["kid"] for key in issuer.http.get("/status/keys").json()["keys"]}
    bundle_kids = {key["kid"] for key in issuer.http.get("/bundle").json()["keys"]}
    assert status_kids.isdisjoint(bundle_kids)


def test_metrics_are_for_operators(issuer, sidecar):
    """Nobody else sees how much is issued."""
    sidecar.issue(wanted())
    assert issuer.http.get("/metrics").status_code == 401
    url = f"{issuer.url}/metrics"
    assert "remit_credentials_issued_total 1.0" in issuer.operator.get(url).text


def _until_refused(verifier, token, seconds=5.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        verifier.verify(token)
        time.sleep(0.02)


def _until_accepted(verifier, token, seconds=5.0):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return verifier.verify(token)
        except remit.SuspendedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
