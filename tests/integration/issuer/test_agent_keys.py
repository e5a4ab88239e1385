"""`POST /v1/keys` at a real issuer process: what a proof of possession has to be, and who asks for whom."""

import base64
import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import remit
from remit.dpop import create_proof
from tests.fakes.agent_keys import MadeKey
from tests.fakes.issuer_process import AUDIENCE, initialize, process_evidence, running, wanted
from tests.fakes.oidc_provider import OIDCProvider
from tests.fakes.serving import served

EVIDENCE = process_evidence(1000)


@pytest.fixture(scope="module")
def provider():
    with served(OIDCProvider()) as provider:
        yield provider


@pytest.fixture(scope="module")
def issuer(provider, tmp_path_factory):
    extra = (
        f'\n[[oidc]]\nname = "ci"\nissuer = "{provider.url}"\nclaims = ["sub"]\ninsecure_loopback_http = true\n'
        f'audiences = ["remit"]\n'
    )
    with running(initialize(tmp_path_factory.mktemp("issuer") / "data", extra=extra)) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def sidecar(issuer):
    sidecar = issuer.joined("edge-1")
    for agent, uid in (("acme/planner", 1000), ("rival/agent", 2000)):
        issuer.register(agent, f"unix:uid:{uid}", sidecar="edge-1", bound=True)
    sidecar.post("/v1/attest/workload", {"workloads": [{"evidence": EVIDENCE}]})  # it knows the nonce now
    return sidecar


@pytest.fixture
def url(issuer):
    return f"{issuer.url}/v1/keys"


def register(sidecar, body):
    answer = sidecar.post("/v1/keys", body)
    return answer.status_code, answer.json()


def refusal(sidecar, body):
    status, said = register(sidecar, body)
    assert status >= 400, said
    return said["code"]


def test_a_registered_key_is_in_the_tokens(issuer, sidecar, url):
    """Before there is one nothing is issued; a verifier then takes the token with a proof and not without."""
    assert sidecar.issue(wanted())[0]["problem"]["code"] == "no_agent_key"
    key = MadeKey()
    status, said = register(sidecar, key.body(url, sidecar.nonce, EVIDENCE, held_by="sidecar"))
    assert (status, said["agent"], said["jkt"], said["state"]) == (200, "acme/planner", key.jkt, "active")
    (credential,) = sidecar.issue(wanted())[0]["credentials"]
    assert (credential["token_type"], credential["key_held_by"]) == ("DPoP", "sidecar")
    token, now = credential["token"], int(time.time())
    with remit.Verifier(issuer=issuer.url, audience=AUDIENCE) as verifier:
        with pytest.raises(remit.ProofRefusedError):
            verifier.verify(token)
        proof = create_proof(key.private, "GET", AUDIENCE, now=now, access_token=token)
        assert verifier.verify(token, proof=proof, method="GET", url=AUDIENCE).key_thumbprint == key.jkt


def test_operators_see_the_keys(issuer, sidecar, url):
    """Those of one agent, with states; nothing private is there to be shown."""
    key = MadeKey()
    register(sidecar, key.body(url, sidecar.nonce, EVIDENCE, held_by="sidecar"))
    listed = issuer.operator.get("/agent-keys", params={"agent": "acme/planner"}).json()["items"]
    assert (listed[-1]["jkt"], listed[-1]["state"], listed[-1]["sidecar"]) == (key.jkt, "active", "edge-1")
    assert {item["state"] for item in listed[:-1]} <= {"retired"}
    page = issuer.operator.get("/agent-keys", params={"limit": 1, "after": listed[-1]["jkt"]}).json()
    assert key.jkt not in str(page)


@pytest.mark.parametrize(
    ("bent", "code"),
    [
        ({"method": "GET"}, "key_proof_refused"),
        ({"url": "https://evil.example/v1/keys"}, "key_proof_refused"),
        ({"url": "/v1/keys"}, "key_proof_refused"),
        ({"now": 1_000_000_000}, "key_proof_refused"),
        ({"nonce": None}, "key_nonce_stale"),
        ({"nonce": "made-up"}, "key_nonce_stale"),
        ({"key": ec.generate_private_key(ec.SECP256R1())}, "malformed_request"),
    ],
)
def test_a_proof_of_something_else(sidecar, url, bent, code):
    """Another method, url, time, nonce or key."""
    key = MadeKey()
    body = {"evidence": EVIDENCE, "jwk": key.jwk, "proof": key.proof(**{"url": url, "nonce": sidecar.nonce} | bent)}
    assert refusal(sidecar, body) == code


def test_a_proof_is_good_once(sidecar, url):
    """Replayed by another agent behind the same sidecar before anybody knows the key: refused all the same."""
    body = MadeKey().body(url, sidecar.nonce, process_evidence(7), held_by="sidecar")
    assert refusal(sidecar, body) == "no_entry"
    assert refusal(sidecar, body | {"evidence": process_evidence(2000)}) == "key_proof_refused"


def test_another_agents_key(sidecar, url):
    """Whose jwk it is cannot be proved; and with the private half in hand it is still the first one's."""
    theirs, mine = MadeKey(), MadeKey()
    register(sidecar, theirs.body(url, sidecar.nonce, process_evidence(2000), held_by="sidecar"))
    assert refusal(sidecar, mine.body(url, sidecar.nonce, EVIDENCE, jwk=theirs.jwk)) == "malformed_request"
    assert refusal(sidecar, theirs.body(url, sidecar.nonce, EVIDENCE, held_by="sidecar")) == "conflict"


def private_jwk(key):
    d = key.private.private_numbers().private_value.to_bytes(32, "big")
    return key.jwk | {"d": base64.urlsafe_b64encode(d).rstrip(b"=").decode()}


def test_keys_that_are_none(sidecar, url):
    """A private half, another curve, RSA, a huge one, one with members of its own, nothing at all."""
    key = MadeKey()
    rsa_key = remit.jose.public_jwk(rsa.generate_private_key(65537, 2048))
    for jwk in (
        private_jwk(key),
        rsa_key,
        key.jwk | {"x": "A" * 60_000},
        key.jwk | {"x5c": ["AAAA"]},
        key.jwk | {"x": key.jwk["y"]},
        {},
        {"kty": "oct", "k": "AAAA"},
    ):
        assert refusal(sidecar, key.body(url, sidecar.nonce, EVIDENCE, jwk=jwk)) == "malformed_request", jwk
    assert refusal(sidecar, MadeKey(ec.SECP384R1()).body(url, sidecar.nonce, EVIDENCE)) == "malformed_request"
    assert (
        refusal(sidecar, key.body(url, sidecar.nonce, EVIDENCE, jwk=key.jwk | {"kid": "x" * 200_000}))
        == "body_too_large"
    )


def test_no_private_half_is_ever_repeated_or_kept(issuer, sidecar, url):
    """Neither in an answer nor in the audit log, where somebody sends one."""
    key = MadeKey()
    jwk = private_jwk(key)
    answer = sidecar.post("/v1/keys", key.body(url, sidecar.nonce, EVIDENCE, jwk=jwk))
    records = issuer.operator.get("/audit", params={"limit": 1000, "newest": True}).text
    pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert jwk["d"] not in answer.text + records + issuer.log()
    assert pem not in answer.text


def test_a_workload_without_a_sidecar(issuer, provider, url):
    """Its own evidence, its own key; the first answer carries the nonce, without which nothing is looked at."""
    issuer.register("acme/ci", "oidc:ci:sub:repo-1", bound=True)
    now = int(time.time())
    token = provider.sign({"iss": provider.url, "aud": "remit", "sub": "repo-1", "iat": now, "exp": now + 600})
    evidence, key = {"attestor": "oidc", "token": token}, MadeKey()
    first = issuer.http.post("/v1/keys", json=key.body(url, None, evidence))
    assert (first.status_code, first.json()["code"]) == (403, "key_nonce_stale")
    second = issuer.http.post("/v1/keys", json=key.body(url, first.headers["DPoP-Nonce"], evidence))
    assert (second.status_code, second.json()["held_by"]) == (200, "agent"), second.text
    exchanged = issuer.http.post(
        "/token",
        data={
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": token,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "audience": AUDIENCE,
        },
    ).json()
    assert exchanged["token_type"] == "DPoP"
    payload = exchanged["access_token"].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(payload + "=="))["cnf"] == {"jkt": key.jkt}
    by_sidecar = issuer.http.post(
        "/v1/keys", json=MadeKey().body(url, first.headers["DPoP-Nonce"], evidence, held_by="sidecar")
    )
    assert by_sidecar.json()["code"] == "malformed_request"


def test_process_evidence_needs_a_sidecar(issuer, url):
    """What only a sidecar may say is not taken from anybody; a wrong session is not taken for none."""
    nonce = issuer.http.post("/v1/keys", json=MadeKey().body(url, None, EVIDENCE)).headers["DPoP-Nonce"]
    body = MadeKey().body(url, nonce, EVIDENCE)
    assert issuer.http.post("/v1/keys", json=body).json()["code"] == "evidence_refused"
    with_session = issuer.http.post("/v1/keys", json=body, headers={"Authorization": "DPoP remit_sc_wrong"})
    assert with_session.status_code == 401


def test_a_revoked_agent_registers_nothing_and_its_key_opens_nothing(issuer, sidecar, url):
    """The token that is bound to its key is refused as revoked, whatever it proves."""
    issuer.register("acme/gone", "unix:uid:3000", sidecar="edge-1", bound=True)
    key, evidence = MadeKey(), process_evidence(3000)
    register(sidecar, key.body(url, sidecar.nonce, evidence, held_by="sidecar"))
    token = sidecar.issue(wanted(3000))[0]["credentials"][0]["token"]
    issuer.post("/revoke", what="agent:acme/gone", reason="it is over")
    proof = create_proof(key.private, "GET", AUDIENCE, now=int(time.time()), access_token=token)
    with remit.Verifier(issuer=issuer.url, audience=AUDIENCE) as verifier, pytest.raises(remit.RevokedError):
        verifier.verify(token, proof=proof, method="GET", url=AUDIENCE)
    assert refusal(sidecar, MadeKey().body(url, sidecar.nonce, evidence, held_by="sidecar")) == "agent_not_active"
