"""`POST /token` with tokens of a real OIDC provider, against a real issuer process."""

import time
from urllib.parse import urlencode

import pytest

import remit
from issuer.http.exchange import GRANT_TYPE, JWT
from remit.jose import parse_unverified
from tests.fakes.issuer_process import AUDIENCE, initialize, running
from tests.fakes.oidc_provider import OIDCProvider
from tests.fakes.serving import served

SELECTOR = "oidc:ci:sub:repo-1"


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
        issuer.register("acme/deployer", SELECTOR, scope={"type": "agent_spend", "version": 1, "models": ["a", "b"]})
        yield issuer


def evidence(provider, **claims):
    now = int(time.time())
    said = {"iss": provider.url, "aud": "remit", "sub": "repo-1", "iat": now, "exp": now + 600, **claims}
    return provider.sign({name: value for name, value in said.items() if value is not None})


def form(provider, **changed):
    fields = {
        "grant_type": GRANT_TYPE,
        "subject_token": evidence(provider),
        "subject_token_type": JWT,
        "audience": AUDIENCE,
        **changed,
    }
    return {name: value for name, value in fields.items() if value is not None}


def test_an_oidc_token_becomes_an_agent_token(issuer, provider):
    """RFC 8693 section 2.2.1: what it is, how it is used, how long it lives; a provider accepts it."""
    answer = issuer.http.post("/token", data=form(provider, task="deploy-7", reason="release"))
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["issued_token_type"], said["token_type"]) == (JWT, "Bearer")
    assert said["expires_in"] == 300
    assert answer.headers["Cache-Control"] == "no-store"
    with remit.Verifier(issuer=issuer.url, audience=AUDIENCE) as verifier:
        credential = verifier.verify(said["access_token"])
    assert (str(credential.agent), credential.task) == ("acme/deployer", "deploy-7")


def test_it_is_narrowed_by_authorization_details(issuer, provider):
    """RFC 9396: within the grant granted and told, beyond it refused."""
    narrow = '[{"type":"agent_spend","version":1,"models":["a"]}]'
    said = issuer.http.post("/token", data=form(provider, authorization_details=narrow)).json()
    assert said["authorization_details"][0]["models"] == ["a"]
    wide = narrow.replace('"a"', '"z"')
    refused = issuer.http.post("/token", data=form(provider, authorization_details=wide))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_authorization_details")
    assert refused.json()["code"] == "scope_too_wide"


def test_resource_is_another_word_for_audience(issuer, provider):
    """A token has one audience; two that differ are refused."""
    said = issuer.http.post("/token", data=form(provider, audience=None, resource=AUDIENCE)).json()
    assert parse_unverified(said["access_token"]).unverified_payload()["aud"] == AUDIENCE
    refused = issuer.http.post("/token", data=form(provider, resource="https://other.example")).json()
    assert (refused["error"], refused["code"]) == ("invalid_target", "invalid_target")


@pytest.mark.parametrize(
    ("changed", "error", "code"),
    [
        ({"grant_type": "client_credentials"}, "unsupported_grant_type", "unsupported_grant_type"),
        ({"grant_type": None}, "invalid_request", "malformed_request"),
        ({"subject_token": None}, "invalid_request", "malformed_request"),
        ({"subject_token": "a.b.c"}, "invalid_request", "evidence_refused"),
        ({"subject_token_type": None}, "invalid_request", "malformed_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request", "malformed_request"),
        ({"subject_token_type": "urn:remit:token-type:jwt-svid"}, "invalid_request", "evidence_refused"),
        ({"actor_token": "x"}, "invalid_request", "malformed_request"),
        (
            {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
            "invalid_request",
            "malformed_request",
        ),
        ({"scope": "openid"}, "invalid_scope", "invalid_scope"),
        ({"audience": None}, "invalid_target", "invalid_target"),
        ({"audience": "two words"}, "invalid_request", "malformed_request"),
        ({"authorization_details": "{}"}, "invalid_authorization_details", "invalid_authorization_details"),
        ({"authorization_details": "[{]"}, "invalid_authorization_details", "invalid_authorization_details"),
        ({"agent": "nobody"}, "invalid_request", "malformed_request"),
        ({"agent": "acme/other"}, "invalid_request", "no_entry"),
        ({"task": "a b"}, "invalid_request", "malformed_request"),
    ],
)
def test_wrong_parameters(issuer, provider, changed, error, code):
    """OAuth's shape, a stable code, nothing issued."""
    answer = issuer.http.post("/token", data=form(provider, **changed))
    assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text
    assert answer.json()["code"] == code
    assert "access_token" not in answer.json()


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "somebody-else"},
        {"exp": 1},
        {"iss": "https://evil.example"},
        {"sub": "repo-2"},
        {"sub": None},
    ],
)
def test_wrong_evidence(issuer, provider, claims):
    """RFC 8693 section 2.2.2: `invalid_request`, whatever is wrong with the subject token."""
    answer = issuer.http.post("/token", data=form(provider, subject_token=evidence(provider, **claims)))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), answer.text


def test_our_own_token_is_no_evidence(issuer, provider):
    """Who was shown a token cannot turn it into another."""
    token = issuer.http.post("/token", data=form(provider)).json()["access_token"]
    answer = issuer.http.post("/token", data=form(provider, subject_token=token))
    assert (answer.status_code, answer.json()["code"]) == (400, "evidence_refused")


def test_a_parameter_that_comes_twice_is_refused(issuer, provider):
    """RFC 6749 section 3.2."""
    body = urlencode([*form(provider).items(), ("audience", "https://other.example")])
    answer = issuer.http.post("/token", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{}", "application/json", 415),
        (b"x" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 400),
        (b"", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=1" % number for number in range(100)), "application/x-www-form-urlencoded", 400),
    ],
)
def test_bad_bodies(issuer, content, media_type, status):
    """Refused before anything is judged; the server stays up."""
    answer = issuer.http.post("/token", content=content, headers={"Content-Type": media_type})
    assert answer.status_code == status
    assert answer.json()["error"] == "invalid_request"
    assert issuer.http.get("/healthz/ready").status_code == 200


def test_refusals_are_recorded(issuer, provider):
    """With a stable code; never with the token."""
    bad = evidence(provider, aud="somebody-else")
    issuer.http.post("/token", data=form(provider, subject_token=bad))
    records = issuer.operator.get("/audit", params={"outcome": "refused", "limit": 1000}).json()["records"]
    assert records[-1]["detail"]["code"] == "evidence_refused"
    assert bad not in str(records)
