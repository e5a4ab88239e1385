"""Tokens that are bound to a key, at every middleware on a real server: what a proof has to be, and nonces."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import remit
from remit.dpop import create_proof
from remit.jose import public_jwk, sign_compact, thumbprint
from tests.fakes.guarded_api import KINDS, guarded_api
from tests.fakes.public_issuer import PublicIssuer

KEY, OTHER_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
JKT = thumbprint(public_jwk(KEY))


@pytest.fixture(params=KINDS, scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def api(kind: str, verifier: remit.Verifier) -> Iterator[str]:
    """The URL of an API that asks for no nonce."""
    with guarded_api(kind, verifier) as url:
        yield url


@pytest.fixture(scope="module")
def nonces() -> remit.ProofNonces:
    return remit.ProofNonces(b"n" * 32)


@pytest.fixture(scope="module")
def strict_api(kind: str, verifier: remit.Verifier, nonces: remit.ProofNonces) -> Iterator[str]:
    """The URL of an API that asks for a nonce."""
    with guarded_api(kind, verifier, nonces=nonces) as url:
        yield url


@pytest.fixture
def token(issuer: PublicIssuer) -> str:
    return issuer.token(cnf={"jkt": JKT})


def proof(url: str, token: str | None, **bent: Any) -> str:
    given = {"key": KEY, "method": "GET", "url": url, "now": int(time.time()), "access_token": token} | bent
    return create_proof(given.pop("key"), given.pop("method"), given.pop("url"), **given)


def ask(url: str, token: str, *proofs: str, scheme: str = "DPoP", **more: str) -> httpx.Response:
    headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", each) for each in proofs), *more.items()]
    return httpx.get(url, headers=headers)


def check_refused(answer: httpx.Response, error: str = "invalid_dpop_proof") -> None:
    assert answer.status_code == 401, answer.text
    assert f'error="{error}"' in answer.headers["WWW-Authenticate"]
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_proof_opens_the_door_once(api: str, token: str) -> None:
    """Good the first time, a replay the second; the query is not covered (RFC 9449 section 4.3)."""
    made = proof(f"{api}/who", token)
    assert ask(f"{api}/who?x=1", token, made).text == "acme/planner"
    check_refused(ask(f"{api}/who?x=1", token, made))


@pytest.mark.parametrize(
    "bent",
    [
        {"method": "POST"},
        {"method": "get"},
        {"access_token": None},
        {"access_token": "another"},
        {"key": OTHER_KEY},
        {"now": int(time.time()) - 3600},
        {"now": int(time.time()) + 3600},
    ],
    ids=["other method", "method in lower case", "no token", "other token", "other key", "old", "of the future"],
)
def test_a_proof_of_something_else(api: str, token: str, bent: dict[str, Any]) -> None:
    """Every part that a proof covers has to be this request's."""
    check_refused(ask(f"{api}/who", token, proof(f"{api}/who", token, **bent)))


@pytest.mark.parametrize(
    "tricky",
    [
        "http://evil.example/who",
        "{api}/other",
        "{api}/who/",
        "{api}/who/../admin",
        "{api}/%77ho/x",
        "{api}/wh%6f%2f",
        "{api}@evil.example/who",
        "http://user@{host}/who",
        "https://{host}/who",
        "//{host}/who",
        "/who",
        "{api}\\who",
        "{api}/who%00",
        " {api}/who",
        "",
    ],
)
def test_urls_that_look_alike(api: str, token: str, tricky: str) -> None:
    """Another origin, path, scheme or spelling that means something else."""
    url = tricky.format(api=api, host=api.removeprefix("http://"))
    check_refused(ask(f"{api}/who", token, proof(url, token)))


def test_the_host_header_decides_nothing(api: str, token: str) -> None:
    """A proof for the host that a request names is refused, one for the published url is not."""
    check_refused(ask(f"{api}/who", token, proof("http://evil.example/who", token), Host="evil.example"))
    assert ask(f"{api}/who", token, proof(f"{api}/who", token), Host="evil.example").status_code == 200


def test_how_many_headers(api: str, token: str) -> None:
    """None, two, and two in one."""
    url = f"{api}/who"
    check_refused(ask(url, token))
    check_refused(ask(url, token, proof(url, token), proof(url, token)))
    check_refused(ask(url, token, f"{proof(url, token)},{proof(url, token)}"))


def test_a_bound_token_is_no_bearer(api: str, token: str) -> None:
    """RFC 9449 section 7.2: with a good proof beside it or without one."""
    check_refused(ask(f"{api}/who", token, scheme="Bearer"))
    check_refused(ask(f"{api}/who", token, proof(f"{api}/who", token), scheme="Bearer"))


def test_an_unbound_token_takes_no_proof(api: str, issuer: PublicIssuer) -> None:
    """A proof by anybody's key makes a bearer token no better."""
    unbound = issuer.token()
    check_refused(ask(f"{api}/who", unbound, proof(f"{api}/who", unbound)))
    assert ask(f"{api}/who", unbound, scheme="Bearer").status_code == 200


def bent_header(url: str, token: str, **header: Any) -> str:
    """A proof whose header has `header`; the signature is good."""
    claims = json.loads(base64.urlsafe_b64decode(proof(url, token).split(".")[1] + "=="))
    full = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public_jwk(KEY)} | header
    return sign_compact(full, json.dumps(claims).encode(), KEY)


@pytest.mark.parametrize("bent", ["private", "huge", "none", "symmetric", "typ", "kid", "list"])
def test_keys_and_headers_of_proofs(api: str, token: str, bent: str) -> None:
    """A private half, a huge key, none, a secret, another type, a key by reference, no object."""
    d = base64.urlsafe_b64encode(KEY.private_numbers().private_value.to_bytes(32, "big")).rstrip(b"=").decode()
    header: dict[str, dict[str, Any]] = {
        "private": {"jwk": public_jwk(KEY) | {"d": d}},
        "huge": {"jwk": {"kty": "RSA", "e": "AQAB", "n": "A" * 4000}},
        "none": {"jwk": None},
        "symmetric": {"jwk": {"kty": "oct", "k": "AAAA"}},
        "typ": {"typ": "JWT"},
        "kid": {"kid": "key-1"},
        "list": {"jwk": [public_jwk(KEY)]},
    }
    check_refused(ask(f"{api}/who", token, bent_header(f"{api}/who", token, **header[bent])))


def test_a_proof_by_no_algorithm(api: str, token: str) -> None:
    """`alg` none, with and without a signature."""
    header = base64.urlsafe_b64encode(
        json.dumps({"typ": "dpop+jwt", "alg": "none", "jwk": public_jwk(KEY)}).encode()
    ).rstrip(b"=")
    _, payload, signature = proof(f"{api}/who", token).split(".")
    for tail in ("", signature):
        check_refused(ask(f"{api}/who", token, f"{header.decode()}.{payload}.{tail}"))


def test_a_nonce_is_asked_for(strict_api: str, token: str, nonces: remit.ProofNonces) -> None:
    """RFC 9449 section 9: the refusal brings the nonce, and with it the same request is good."""
    url = f"{strict_api}/who"
    first = ask(url, token, proof(url, token))
    check_refused(first, "use_dpop_nonce")
    nonce = first.headers["DPoP-Nonce"]
    assert nonces.accepts(nonce, int(time.time()))
    assert ask(url, token, proof(url, token, nonce=nonce)).status_code == 200


@pytest.mark.parametrize("nonce", ["", "made-up", "x" * 4000])
def test_nonces_that_nobody_gave(strict_api: str, token: str, nonce: str) -> None:
    """Made up, empty, or huge: a fresh one is offered."""
    answer = ask(f"{strict_api}/who", token, proof(f"{strict_api}/who", token, nonce=nonce))
    check_refused(answer, "use_dpop_nonce")
    assert answer.headers["DPoP-Nonce"] != nonce


def test_old_nonces(strict_api: str, token: str, nonces: remit.ProofNonces) -> None:
    """What was given out long ago is refused; a proof with it was perhaps made in advance."""
    old = nonces.current(int(time.time()) - 3600)
    answer = ask(f"{strict_api}/who", token, proof(f"{strict_api}/who", token, nonce=old))
    check_refused(answer, "use_dpop_nonce")


def test_a_nonce_heals_nothing_else(strict_api: str, token: str, nonces: remit.ProofNonces) -> None:
    """By another key, or for another url, a proof with a good nonce is refused, and no nonce is offered."""
    url, nonce = f"{strict_api}/who", nonces.current(int(time.time()))
    for bent in ({"key": OTHER_KEY}, {"url": f"{strict_api}/other"}):
        answer = ask(url, token, proof(**{"url": url, "token": token, "nonce": nonce} | bent))
        check_refused(answer)
        assert "DPoP-Nonce" not in answer.headers


def test_bearer_tokens_need_no_nonce(strict_api: str, issuer: PublicIssuer) -> None:
    """Where proofs need one, who sends none is let in as before."""
    assert ask(f"{strict_api}/who", issuer.token(), scheme="Bearer").status_code == 200
