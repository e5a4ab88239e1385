"""Delegation under attack: who may not exchange what they hold, what is no subject token, and what never widens."""

import itertools
import json
import time
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from issuer.http.exchange import JWT
from issuer.http.openapi.document import OPERATIONS
from issuer.keys.files import KeyFiles
from remit.jose import parse_unverified, sign_compact
from tests.fakes.exchanging import FORM, Exchange, parents_token
from tests.fakes.ground import Ground, check_log, check_refusal
from tests.fakes.issuer_process import AUDIENCE, initialize, running, wanted
from tests.fakes.wire import Answer

TOKEN = next(operation for operation in OPERATIONS if operation.path == "/token")
PARENT = "acme/worker"
CHILD = f"{PARENT}/sub/child"
UIDS = itertools.count(5000)
SCOPE = {
    "type": "agent_spend",
    "version": 1,
    "locations": ["https://api.example.com/v1/"],
    "actions": ["invoke"],
    "models": ["a"],
    "tools": ["search"],
    "spend_limits": [{"amount": 1_000_000, "unit": "USD", "decimals": 6, "interval": "daily"}],
}


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    with running(initialize(tmp_path_factory.mktemp("hostile") / "data")) as issuer:
        ground = Ground(issuer)
        issuer.register(PARENT, "unix:uid:1000", sidecar="edge-1", scope=SCOPE)
        yield ground
        check_log(issuer)
        assert issuer.stop() == 0


@pytest.fixture
def exchange(ground):
    exchange = Exchange.of(ground.sidecar)
    exchange.nonce = ground.sidecar.nonce
    return exchange


def checked(answer, code=None):
    """The answer of httpx is a refusal in its proper form; returns its code."""
    headers = dict(answer.headers)
    return check_refusal(Answer(answer.status_code, headers, answer.content), TOKEN, code=code)


def agents(ground):
    return {row[3] for row in ground.tables()["agents"]}


def claims(token):
    return parse_unverified(token).unverified_payload()


def shown_to_a_provider(ground):
    (result,) = ground.sidecar.issue(wanted())
    return result["credentials"][0]["token"]


def test_a_provider_can_exchange_nothing_that_it_was_shown(ground, exchange):
    """Not with its own key, not with anybody's: the token is for another audience."""
    token = shown_to_a_provider(ground)
    provider = Exchange(ground.issuer.url, ground.issuer.http, ec.generate_private_key(ec.SECP256R1()))
    with ground.unchanged():
        for holder in (provider, exchange):
            for audience in (AUDIENCE, "https://other.example", f"{ground.issuer.url}/token"):
                checked(holder.delegate(token, CHILD, audience=audience), "evidence_refused")
        checked(provider.delegate(token, CHILD, subject_token_type=JWT), "evidence_refused")


def test_a_stolen_subject_token_is_nobodys_else(ground):
    """Another sidecar, and a stranger: the proof is good, and by the wrong key."""
    token = parents_token(ground.sidecar)
    other = Exchange.of(ground.issuer.joined("edge-7"))
    stranger = Exchange(ground.issuer.url, ground.issuer.http, ec.generate_private_key(ec.SECP256R1()))
    with ground.unchanged():
        for thief in (other, stranger):
            answer = thief.delegate(token, CHILD)
            assert answer.json()["error"] == "invalid_dpop_proof"
            checked(answer, "proof_refused")


def test_proofs_are_for_one_request_and_used_once(ground, exchange):
    """Whatever is wrong with one: missing, twice, replayed, old, for elsewhere, of another body or of none."""
    form = exchange.form(parents_token(ground.sidecar), CHILD)
    exchange.nonce = ground.sidecar.nonce
    body = urlencode(form).encode()
    url = ground.issuer.url
    good = exchange.proof(body)
    with ground.unchanged():
        for wrong, proof in {
            "none": "",
            "not one": "a.b.c",
            "old": exchange.proof(body, now=int(time.time()) - 3600),
            "of the future": exchange.proof(body, now=int(time.time()) + 3600),
            "for another method": exchange.proof(body, method="GET"),
            "for another path": exchange.proof(body, url=f"{url}/v1/issue"),
            "for another issuer": exchange.proof(body, url="https://evil.example/token"),
            "for the host it came by": exchange.proof(body, url=f"{url.replace('localhost', '127.0.0.1')}/token"),
            "of no body": exchange.proof(body, body=None),
            "of another body": exchange.proof(body, body=body + b"&task=x"),
        }.items():
            code = checked(exchange.send(form, proof=proof))
            assert code in ("proof_invalid", "proof_refused"), wrong
        twice = ground.wire.send("POST", "/token", [*FORM.items(), ("DPoP", good), ("DPoP", good)], body)
        check_refusal(twice, TOKEN, code="proof_invalid")
        stale = exchange.send(form, nonce="AAAAAAAAAAAAAAAAAAAAAA")
        assert stale.json()["error"] == "use_dpop_nonce"
    assert exchange.send(form, proof=good).status_code == 200
    with ground.unchanged():
        checked(exchange.send(form, proof=good), "proof_invalid")


def test_a_sidecar_that_was_stopped_delegates_nothing(ground):
    """Its key still proves, its token has not expired."""
    sidecar = ground.issuer.joined("edge-8")
    ground.issuer.post("/entries", agent=PARENT, selectors=["unix:uid:8"], sidecar="edge-8")
    exchange, token = Exchange.of(sidecar), parents_token(sidecar, 8)
    assert exchange.delegate(token, CHILD).status_code == 200
    ground.issuer.post("/revoke", what="sidecar:edge-8", reason="test")
    with ground.unchanged():
        checked(exchange.delegate(token, CHILD), "session_invalid")


@pytest.mark.parametrize("verb", ["suspend", "revoke"])
@pytest.mark.parametrize("level", ["account", "agent", "grant", "token"])
def test_a_parent_that_was_stopped_delegates_nothing(ground, exchange, verb, level):
    """Whatever it was that was stopped; the sub-agent's earlier token is worth nothing either."""
    account, uid = f"{level}-{verb}", next(UIDS)
    agent = f"{account}/runner"
    ground.issuer.register(agent, f"unix:uid:{uid}", sidecar="edge-1")
    token = parents_token(ground.sidecar, uid, agent=agent)
    assert exchange.delegate(token, f"{agent}/sub/x").status_code == 200
    (standing,) = [
        grant["id"]
        for grant in ground.issuer.operator.get("/grants", params={"agent": agent}).json()["items"]
        if not grant["delegated"]
    ]
    what = {"account": f"account:{account}", "agent": agent, "grant": standing, "token": token}[level]
    ground.issuer.post(f"/{verb}", what=what, reason="test")
    with ground.unchanged():
        code = checked(exchange.delegate(token, f"{agent}/sub/x"))
    assert code in ("agent_not_active", "no_grant", "evidence_refused")


def forged(ground, token):
    """Tokens that this issuer's own key signed, and that it never issued, by what is wrong with them."""
    jws = parse_unverified(token)
    header, good = jws.unverified_header(), jws.unverified_payload()
    key = KeyFiles(ground.issuer.folder / "keys").read(header["kid"])
    endpoint = good["aud"]

    def sign(head=header, /, **changed):
        said = {name: value for name, value in {**good, **changed}.items() if value is not None}
        return sign_compact(head, json.dumps(said).encode(), key)

    stranger = ec.generate_private_key(ec.SECP256R1())
    other = claims(shown_to_a_provider(ground))
    return {
        "of two audiences": sign(aud=[endpoint, AUDIENCE]),
        "of one in a list": sign(aud=[endpoint]),
        "of none": sign(aud=None),
        "of the issuer": sign(aud=ground.issuer.url),
        "of the endpoint with a slash": sign(aud=f"{endpoint}/"),
        "of another issuer": sign(iss="https://evil.example"),
        "never issued": sign(jti="0" * 32),
        "with the id of one for a provider": sign(jti=other["jti"]),
        "of another agent": sign(sub="spiffe://example.org/account/acme/agent/planner"),
        "that lives longer": sign(exp=good["exp"] + 3600),
        "by a stranger": sign_compact(header, jws.payload_bytes, stranger),
        "by an unknown key": sign({**header, "kid": "x"}),
        "with a key in its header": sign({**header, "jwk": {}}),
        "of another type": sign({**header, "typ": "at+jwt"}),
        "unsigned": token.rpartition(".")[0] + ".",
        "cut": token[:-8],
        "too long": token + "A" * 9000,
        "no token": "x",
    }


def test_what_is_no_subject_token(ground, exchange):
    """Even our own key cannot make one of what is not on record; nothing is changed by the attempt."""
    token = parents_token(ground.sidecar)
    exchange.nonce = ground.sidecar.nonce
    with ground.unchanged():
        for wrong, subject in forged(ground, token).items():
            code = checked(exchange.delegate(subject, CHILD))
            assert code == "evidence_refused", wrong
            assert len(subject) < 9 or subject not in ground.audit_text()


def test_a_forged_token_gets_what_is_on_record(ground, exchange):
    """A wider scope, another task: it is the record that counts."""
    token = parents_token(ground.sidecar)
    jws = parse_unverified(token)
    key = KeyFiles(ground.issuer.folder / "keys").read(jws.unverified_header()["kid"])
    wide = {**jws.unverified_payload(), "authorization_details": [{"type": "agent_spend", "version": 1}], "txn": "x"}
    forgery = sign_compact(jws.unverified_header(), json.dumps(wide).encode(), key)
    said = exchange.delegate(forgery, f"{PARENT}/sub/forged").json()
    assert said["authorization_details"] == claims(token)["authorization_details"]
    assert "txn" not in claims(said["access_token"])


def test_a_token_that_is_over_delegates_nothing(ground, exchange):
    """A life of a second is over before its child could be used."""
    token = parents_token(ground.sidecar, ttl_seconds=1)
    with ground.unchanged():
        checked(exchange.delegate(token, CHILD), "evidence_expired")


@pytest.mark.parametrize(
    "wider",
    [
        {"locations": ["https://api.example.com/"]},
        {"locations": ["https://api.example.com/v1/", "https://evil.example/"]},
        {"actions": ["invoke", "delete"]},
        {"models": ["a", "b"]},
        {"tools": ["shell"]},
        {"spend_limits": [{"amount": 1_000_001, "unit": "USD", "decimals": 6, "interval": "daily"}]},
        {"spend_limits": [{"amount": 1, "unit": "EUR", "decimals": 6, "interval": "daily"}]},
        {"funding": "jit"},
    ],
    ids=lambda wider: next(iter(wider)),
)
def test_no_dimension_is_widened(ground, exchange, wider):
    """What was too wide is named; a sub-agent that would be the first is not made."""
    before = agents(ground)
    details = json.dumps([{"type": "agent_spend", "version": 1, **wider}])
    answer = exchange.delegate(parents_token(ground.sidecar), f"{PARENT}/sub/wide", authorization_details=details)
    checked(answer, "scope_too_wide")
    assert next(iter(wider)) in answer.json()["error_description"]
    assert agents(ground) == before


def test_a_revoked_name_is_never_given_again(ground, exchange):
    """Not by delegation, not by an operator."""
    token, name = parents_token(ground.sidecar), f"{PARENT}/sub/gone"
    assert exchange.delegate(token, name).status_code == 200
    ground.issuer.post("/revoke", what=name, reason="test")
    with ground.unchanged():
        checked(exchange.delegate(token, name), "agent_not_active")
    assert ground.issuer.operator.post("/agents", json={"agent": name}).json()["code"] == "retired_name"
