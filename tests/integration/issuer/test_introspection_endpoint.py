"""`POST /introspect` (RFC 7662) over real HTTP: a provider hears of tokens for its own audiences, and of nothing else."""

import time
from base64 import b64encode

import httpx
import pytest

from remit.jose import parse_unverified
from tests.fakes.issuer_process import AUDIENCE, initialize, running, wanted

UID = "unix:uid:1000"
INACTIVE = {"active": False}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    config = initialize(tmp_path_factory.mktemp("introspecting") / "data")
    with running(config) as issuer:
        issuer.sidecar = issuer.joined("edge-1")
        issuer.register("acme/planner", UID, sidecar="edge-1")
        issuer.shop = issuer.post("/providers", name="shop", audiences=[AUDIENCE])["credential"]
        issuer.rival = issuer.post("/providers", name="rival", audiences=["https://rival.example.com"])["credential"]
        yield issuer
        assert "Traceback" not in issuer.log()


def issued(issuer, **more) -> str:
    (result,) = issuer.sidecar.issue(wanted(**more))
    return result["credentials"][0]["token"]


def introspect(issuer, token, credential=None, *, basic=None, **more) -> httpx.Response:
    credential = credential or issuer.shop
    header = f"Bearer {credential}" if basic is None else f"Basic {b64encode(basic.encode()).decode()}"
    return issuer.http.post("/introspect", data={"token": token, **more}, headers={"Authorization": header})


def test_a_good_token_is_active(issuer):
    """With what it says; a hint of its type is tolerated."""
    token = issued(issuer, task="task-1")
    answer = introspect(issuer, token, token_type_hint="access_token")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    said = answer.json()
    assert (said.pop("active"), said.pop("token_type")) == (True, "Bearer")
    assert said == parse_unverified(token).unverified_payload()


def test_by_name_and_credential(issuer):
    """HTTP Basic does as well as a bearer credential, if both belong together."""
    token = issued(issuer)
    assert introspect(issuer, token, basic=f"shop:{issuer.shop}").json()["active"] is True
    for wrong in (f"rival:{issuer.shop}", f"shop:{issuer.rival}", "shop", f":{issuer.shop}", "shop:"):
        answer = introspect(issuer, token, basic=wrong)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_what_is_revoked_or_suspended_is_not_active(issuer):
    """At once, and again when it is resumed."""
    token = issued(issuer, task="task-2")
    for verb, expected in (("suspend", False), ("resume", True), ("revoke", False)):
        issuer.post(f"/{verb}", what="task:task-2", reason="a test")
        assert introspect(issuer, token).json()["active"] is expected
    assert introspect(issuer, token).json() == INACTIVE


def test_a_token_by_a_tainted_key_is_not_active(issuer):
    """Its signature is worth nothing any more."""
    token = issued(issuer)
    kid = parse_unverified(token).unverified_header()["kid"]
    issuer.post("/revoke", what=f"key:{kid}", reason="a test")
    assert introspect(issuer, token).json() == INACTIVE
    assert introspect(issuer, issued(issuer)).json()["active"] is True


def test_whatever_else_it_is_there_is_one_answer(issuer):
    """For another provider, cut, bent, not ours, no token at all: not active, and not a word more."""
    token = issued(issuer)
    header, payload, signature = token.split(".")
    others = issued(issuer, audience="https://rival.example.com")
    tokens = [others, token[:-4], f"{header}.{payload}.", f"{header}.{others.split('.')[1]}.{signature}", "acme", "..."]
    answers = [introspect(issuer, bent) for bent in tokens] + [introspect(issuer, token, issuer.rival)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, '{"active":false}')}


def test_a_token_that_is_over_is_not_active(issuer):
    """Over is over, without any leeway: whose clock it is, need not be lenient."""
    token = issued(issuer, ttl_seconds=1)
    exp = parse_unverified(token).unverified_payload()["exp"]
    while introspect(issuer, token).json()["active"]:
        assert time.time() < exp + 2
        time.sleep(0.05)
    assert time.time() >= exp


def test_a_provider_that_was_stopped_hears_nothing(issuer):
    """Its credential is good for nothing while it is suspended."""
    token = issued(issuer)
    credential = issuer.post("/providers", name="brief", audiences=[AUDIENCE])["credential"]
    assert introspect(issuer, token, credential).json()["active"] is True
    issuer.post("/suspend", what="provider:brief", reason="a test")
    assert introspect(issuer, token, credential).status_code == 401
    issuer.post("/resume", what="provider:brief", reason="a test")
    assert introspect(issuer, token, credential).json()["active"] is True
    issuer.post("/revoke", what="provider:brief", reason="a test")
    assert introspect(issuer, token, credential).status_code == 401
    again = issuer.operator.post("/providers", json={"name": "brief", "audiences": [AUDIENCE]})
    assert (again.status_code, again.json()["code"]) == (409, "retired_name")


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer remit_prov_nobody", "Basic", "Basic ====", "DPoP x"])
def test_nobody_is_refused(issuer, header):
    """401 in OAuth's shape, before the form is looked at; an operator's credential is none of a provider either."""
    for value in (header, issuer.operator.headers["Authorization"]):
        headers = {} if value is None else {"Authorization": value}
        answer = issuer.http.post("/introspect", data={"token": "a"}, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("body", "media_type", "status", "code"),
    [
        (b"", "application/x-www-form-urlencoded", 400, "malformed_request"),
        (b"token=a&token=b", "application/x-www-form-urlencoded", 400, "malformed_request"),
        (b"token=" + b"a" * 20_000, "application/x-www-form-urlencoded", 413, "body_too_large"),
        (b'{"token": "a"}', "application/json", 415, "unsupported_media_type"),
    ],
)
def test_what_is_no_request_is_refused(issuer, body, media_type, status, code):
    """In OAuth's shape, and on record as this provider's."""
    headers = {"Authorization": f"Bearer {issuer.shop}", "Content-Type": media_type}
    answer = issuer.http.post("/introspect", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    (record,) = issuer.operator.get("/audit", params={"outcome": "refused", "newest": True, "limit": 1}).json()[
        "records"
    ]
    assert (record["kind"], record["actor"], record["detail"]["code"]) == ("introspection", "provider:shop", code)
