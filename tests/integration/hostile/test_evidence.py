"""Evidence and proofs that are expired, foreign, replayed or forged: no token for any of them."""

import hashlib
import json
import time
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from issuer.http.exchange import GRANT_TYPE, JWT
from issuer.http.openapi.document import OPERATIONS
from remit.jose import b64url_encode, public_jwk, sign_raw, thumbprint
from tests.fakes.ground import FORM, JSON, SECRET, VALID, Ground, check_log, check_refusal
from tests.fakes.issuer_process import AUDIENCE, initialize, running, wanted
from tests.fakes.oidc_provider import OIDCProvider, SigningKey
from tests.fakes.serving import served

TOKEN = next(operation for operation in OPERATIONS if operation.path == "/token")
CONFIGURED = """
[[oidc]]
name = "ci"
issuer = "{url}"
claims = ["sub"]
audiences = ["remit"]
insecure_loopback_http = true
single_use = true
"""


@pytest.fixture(scope="module")
def provider():
    with served(OIDCProvider()) as provider:
        yield provider


@pytest.fixture(scope="module")
def ground(provider, tmp_path_factory):
    extra = CONFIGURED.format(url=provider.url)
    with running(initialize(tmp_path_factory.mktemp("hostile") / "data", extra=extra)) as issuer:
        ground = Ground(issuer)
        issuer.register("acme/deployer", "oidc:ci:sub:repo-1")
        issuer.post("/entries", agent="acme/planner", selectors=["unix:uid:1000"], sidecar="edge-1")
        assert "credentials" in ground.sidecar.issue(wanted())[0]
        yield ground
        check_log(issuer)
        assert issuer.stop() == 0


def claims(provider, **changed):
    now = int(time.time())
    said = {
        "iss": provider.url,
        "aud": "remit",
        "sub": "repo-1",
        "iat": now,
        "exp": now + 300,
        "jti": str(time.time_ns()),
    }
    return {name: value for name, value in {**said, **changed}.items() if value is not None}


def exchange(ground, token, **changed):
    """One request to `/token`."""
    form = {
        "grant_type": GRANT_TYPE,
        "subject_token": token,
        "subject_token_type": JWT,
        "audience": AUDIENCE,
        **changed,
    }
    return ground.wire.send("POST", "/token", [("Content-Type", FORM)], urlencode(form).encode())


def unsigned(provider, alg="none", **changed):
    header = b64url_encode(json.dumps({"alg": alg, "kid": "key-1", "typ": "JWT"}).encode())
    return f"{header}.{b64url_encode(json.dumps(claims(provider, **changed)).encode())}."


def forged(provider):
    """Tokens that are not the provider's for us now, by what is wrong with them."""
    now, stranger = int(time.time()), SigningKey("key-1")
    good = provider.sign(claims(provider))
    head, payload, signature = good.split(".")
    return {
        "expired": provider.sign(claims(provider, iat=now - 900, exp=now - 600)),
        "not yet": provider.sign(claims(provider, nbf=now + 900)),
        "issued in the future": provider.sign(claims(provider, iat=now + 900, exp=now + 1200)),
        "without an end": provider.sign(claims(provider, exp=None)),
        "an end that is text": provider.sign(claims(provider, exp="never")),
        "an end that is huge": provider.sign(claims(provider, exp=10**40)),
        "for somebody else": provider.sign(claims(provider, aud="somebody")),
        "for nobody": provider.sign(claims(provider, aud=None)),
        "for an empty list": provider.sign(claims(provider, aud=[])),
        "of another issuer": provider.sign(claims(provider, iss="https://evil.example")),
        "of the issuer with a slash": provider.sign(claims(provider, iss=provider.url + "/")),
        "of no issuer": provider.sign(claims(provider, iss=None)),
        "of an issuer that is an object": provider.sign(claims(provider, iss={"a": SECRET})),
        "by a stranger's key": stranger.sign(claims(provider)),
        "by an unknown key": SigningKey("key-2").sign(claims(provider)),
        "by a key in its header": stranger.sign(claims(provider), jwk=stranger.jwk()),
        "by a key at a url": stranger.sign(claims(provider), jku="http://127.0.0.1:1/keys"),
        "by a kid that is a path": provider.sign(claims(provider), kid="../../etc/passwd"),
        "by no kid and a stranger": stranger.sign(claims(provider), kid=None),
        "unsigned": unsigned(provider),
        "unsigned with another case": unsigned(provider, "nOnE"),
        "hmac with the public key": f"{unsigned(provider, 'HS256')}AAAA",
        "an alg that the key has not": provider.sign(claims(provider), alg="ES384"),
        "with a critical header": provider.sign(claims(provider), crit=["x"], x=1),
        "another payload": f"{head}.{b64url_encode(json.dumps(claims(provider, sub='admin')).encode())}.{signature}",
        "claims that come twice": provider.sign(json.dumps(claims(provider)).encode()[:-1] + b',"sub":"repo-1"}'),
        "deep claims": provider.sign(b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
        "claims that are a list": provider.sign(b"[]"),
        "claims that are not json": provider.sign(b"\xff"),
        "cut short": good[:-4],
        "two parts": f"{head}.{payload}",
        "five parts": f"{good}.a.b",
        "padded": f"{good}==",
        "white space": f" {good}",
        "a null": f"{good}\0",
        "of nobody who is registered": provider.sign(claims(provider, sub="repo-2")),
    }


def test_forged_evidence_gets_no_token(ground, provider):
    """OAuth's error with our code; nothing is used up, opened or recorded but the refusal, which holds no token."""
    tokens = forged(provider)
    recorded = len(ground.refusals())
    with ground.unchanged():
        for wrong, token in tokens.items():
            answer = exchange(ground, token)
            assert answer.status == 400, wrong
            code = check_refusal(answer, TOKEN)
            assert code.startswith("evidence_") or code in {"no_entry", "malformed_request"}, (wrong, code)
            assert answer.json()["error"] == "invalid_request", wrong
            assert token not in answer.body.decode()
    assert len(ground.refusals()) - recorded == len(tokens)
    text = ground.audit_text()
    assert not [wrong for wrong, token in tokens.items() if token in text]


def test_expired_evidence_says_so(ground, provider):
    """A code of its own: a fresh token helps."""
    now = int(time.time())
    answer = exchange(ground, provider.sign(claims(provider, iat=now - 900, exp=now - 600)))
    check_refusal(answer, TOKEN, code="evidence_expired")


def test_evidence_is_used_once(ground, provider):
    """The second time it is refused, whatever is asked for with it; a refused request does not use it up."""
    token = provider.sign(claims(provider))
    with ground.unchanged():
        check_refusal(exchange(ground, token, task="a b"), TOKEN, code="malformed_request")
        check_refusal(exchange(ground, token, agent="acme/planner"), TOKEN)
    assert exchange(ground, token).status == 200
    with ground.unchanged():
        check_refusal(exchange(ground, token), TOKEN, code="evidence_replayed")
        check_refusal(exchange(ground, token, audience="https://other.example"), TOKEN, code="evidence_replayed")


def test_our_own_token_is_no_evidence(ground, provider):
    """As any type: who was shown a token cannot turn it into another."""
    token = exchange(ground, provider.sign(claims(provider))).json()["access_token"]
    types = (
        JWT,
        "urn:ietf:params:oauth:token-type:id_token",
        "urn:remit:token-type:jwt-svid",
        "urn:remit:token-type:process",
    )
    with ground.unchanged():
        for kind in (
            *types,
            "urn:remit:token-type:join_token",
            "urn:remit:token-type:",
            f"urn:remit:token-type:{SECRET}",
        ):
            check_refusal(exchange(ground, token, subject_token_type=kind), TOKEN)


def ask(ground, path="/v1/issue", content=None, **bent):
    """A request as the sidecar makes it, but for what is `bent`; `session`, `proofs` and `headers` too."""
    body = json.dumps({"requests": [wanted()]} if content is None else content).encode()
    session = bent.pop("session", ground.sidecar.session)
    proofs, headers = bent.pop("proofs", None), bent.pop("headers", [])
    proofs = [ground.proof(path, body, bent.pop("access_token", session), **bent)] if proofs is None else proofs
    given = [("DPoP", proof) for proof in proofs] + ([("Authorization", f"DPoP {session}")] if session else [])
    return ground.wire.send("POST", path, [("Content-Type", JSON), *given, *headers], body)


def handmade(ground, key, header=None, **changed):
    """A proof whose claims and header are as told."""
    body = json.dumps({"requests": [wanted()]}).encode()
    digest = {
        name: b64url_encode(hashlib.sha256(data).digest())
        for name, data in (("bsh", body), ("ath", ground.sidecar.session.encode()))
    }
    said = {"htm": "POST", "htu": f"{ground.issuer.url}/v1/issue", "iat": int(time.time()), "jti": str(time.time_ns())}
    said = {**said, **digest, "nonce": ground.sidecar.nonce, **changed}
    members = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public_jwk(key), **(header or {})}
    payload = json.dumps({name: value for name, value in said.items() if value is not None}).encode()
    signing_input = f"{b64url_encode(json.dumps(members).encode())}.{b64url_encode(payload)}"
    return f"{signing_input}.{b64url_encode(sign_raw(signing_input.encode(), key))}"


def test_a_proof_covers_its_request_whole(ground):
    """Method, URL, body, session, time and key: one that differs is refused."""
    now, url = int(time.time()), ground.issuer.url
    bent = {
        "another method": {"method": "GET"},
        "another path": {"url": f"{url}/v1/attest/workload"},
        "another host": {"url": "https://evil.example/v1/issue"},
        "a longer path": {"url": f"{url}/v1/issue/"},
        "another body": {"body": b"{}"},
        "no body": {"body": None},
        "no session": {"access_token": None},
        "another session": {"access_token": SECRET},
        "yesterday": {"now": now - 86_400},
        "tomorrow": {"now": now + 86_400},
        "an empty proof": {"proofs": [""]},
        "garbage": {"proofs": ["a.b.c"]},
        "no text": {"proofs": ["é"]},
        "none": {"proofs": []},
        "two": {"proofs": ["a.b.c", "a.b.c"]},
    }
    with ground.unchanged():
        for wrong, change in bent.items():
            answer = ask(ground, **change)
            assert (answer.status, check_refusal(answer)) == (401, "proof_invalid"), wrong
        check_refusal(ask(ground, key=ec.generate_private_key(ec.SECP256R1())), code="session_invalid")
        for session in (None, SECRET, "é", ground.admin):
            check_refusal(ask(ground, session=session), code="session_invalid")
        for nonce in (None, "", "x", "0" * 64):
            answer = ask(ground, nonce=nonce)
            assert (check_refusal(answer, code="use_dpop_nonce"), bool(answer.headers["dpop-nonce"])) == (
                "use_dpop_nonce",
                True,
            )


def test_forged_proofs(ground):
    """By hand, as no library makes them."""
    key, stranger = ground.sidecar.key, ec.generate_private_key(ec.SECP256R1())
    private = public_jwk(key) | {"d": "AAAA"}
    proofs = {
        "a stranger's signature": handmade(ground, stranger, {"jwk": public_jwk(key)}),
        "a private key": handmade(ground, key, {"jwk": private}),
        "no key": handmade(ground, key, {"jwk": None}),
        "a symmetric key": handmade(ground, key, {"jwk": {"kty": "oct", "k": "AAAA"}}),
        "another type": handmade(ground, key, {"typ": "JWT"}),
        "no algorithm": handmade(ground, key, {"alg": "none"}),
        "another algorithm": handmade(ground, key, {"alg": "RS256"}),
        "no jti": handmade(ground, key, jti=None),
        "a long jti": handmade(ground, key, jti="j" * 5_000),
        "a jti that is a number": handmade(ground, key, jti=7),
        "no time": handmade(ground, key, iat=None),
        "a time that is text": handmade(ground, key, iat="now"),
        "a time that is huge": handmade(ground, key, iat=10**40),
        "a url that is a list": handmade(ground, key, htu=[]),
        "a digest that is an object": handmade(ground, key, bsh={"a": SECRET}),
    }
    with ground.unchanged():
        for wrong, proof in proofs.items():
            assert (check_refusal(ask(ground, proofs=[proof])), wrong) == ("proof_invalid", wrong)
    assert ask(ground, proofs=[handmade(ground, key)]).status == 200


def test_a_proof_is_good_once(ground):
    """A recorded request that is sent again changes nothing; forwarding headers do not make it another."""
    body = json.dumps({"requests": [wanted()]}).encode()
    proof = ground.proof("/v1/issue", body, ground.sidecar.session)
    assert ask(ground, proofs=[proof]).status == 200
    with ground.unchanged():
        for headers in ([], [("X-Forwarded-Host", "evil.example")], [("Forwarded", "host=evil.example;proto=https")]):
            check_refusal(ask(ground, proofs=[proof], headers=headers), code="proof_invalid")


def test_a_join_token_that_is_none(ground):
    """Unknown, somebody else's secret, or of another kind: refused, and the key is nobody's."""
    key = ec.generate_private_key(ec.SECP256R1())
    with ground.unchanged():
        for token in (SECRET, ground.admin, ground.sidecar.session, "", "remit_join_" + "a" * 43, "x" * 60_000):
            body = {"attestor": "join_token", "evidence": {"token": token}}
            answer = ask(ground, "/v1/attest/join", body, session=None, key=key)
            check_refusal(answer, code="evidence_refused")
            assert not token or token not in answer.body.decode()
        check_refusal(ask(ground, "/v1/attest/session", {}, session=None, key=key), code="session_invalid")
    assert thumbprint(public_jwk(key)) not in str(ground.tables())


def test_bodies_of_sidecars_are_only_read_once_they_are_proved(ground):
    """Whatever is in the body, without a proof that is what is said."""
    for path in ("/v1/issue", "/v1/attest/workload", "/v1/attest/join", "/v1/attest/session"):
        for body in (VALID[path], {"x": SECRET}, []):
            assert ask(ground, path, body, proofs=[]).status == 401
