"""DPoP proofs (RFC 9449): made, verified, refused, and used once."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from remit.dpop import Proof, create_proof, verify_proof
from remit.errors import ProofRefusedError
from remit.jose import b64url_encode, public_jwk, sign_compact, thumbprint
from remit.replay import ReplayCache

KEY = ec.generate_private_key(ec.SECP256R1())
URL = "https://issuer.example.org/v1/issue"
NOW = 1_700_000_000


def _make(**overrides: Any) -> str:
    return create_proof(KEY, overrides.pop("method", "POST"), overrides.pop("url", URL), **{"now": NOW, **overrides})


def _verify(proof: str, **overrides: Any) -> Proof:
    return verify_proof(proof, **{"method": "POST", "url": URL, "now": NOW, **overrides})


def test_round_trip() -> None:
    """A proof verifies for the request that it was made for and names the key that made it."""
    proof = _verify(
        _make(access_token="t", nonce="n", body=b"{}", jti="j"),
        access_token="t",
        body=b"{}",
        nonce_check=lambda nonce: nonce == "n",
    )
    covered = b64url_encode(hashlib.sha256(b"{}").digest())
    assert proof == Proof(thumbprint(public_jwk(KEY)), "j", NOW, NOW + 65, dict(public_jwk(KEY)), covered)


@pytest.mark.parametrize(
    "url", ["HTTPS://issuer.example.org:443/v1/issue", f"{URL}?x=1#y", "https://issuer.example.org/v1/./issue"]
)
def test_urls_compare_normalised(url: str) -> None:
    """`htu` compares after normalisation, without query and fragment (RFC 9449 section 4.3)."""
    _verify(_make(), url=url)
    _verify(_make(url=url))


@pytest.mark.parametrize(
    ("payload", "accepted"),
    [
        (f'{{"jti":"j","htm":"POST","htu":"{URL}","iat":{NOW}}}', True),
        (f'{{ "iat": {NOW}, "htu": "{URL}", "htm": "POST", "jti": "j", "x": [true, null] }}', True),
        (f'{{"jti":"j","htm":"GET","htm":"POST","htu":"{URL}","iat":{NOW}}}', False),
        (f'{{"jti":"j","htm":"GET","\\u0068tm":"POST","htu":"{URL}","iat":{NOW}}}', False),
        (f'{{"jti":"j","htm":"POST","htu":"{URL}","iat":{NOW}.0}}', False),
        (f'{{"jti":"j","htm":"POST","htu":"{URL}","iat":true}}', False),
    ],
    ids=["as-remit-writes", "loosely-written", "repeated-name", "repeated-escaped-name", "float", "bool"],
)
def test_claims_have_one_reading(payload: str, accepted: bool) -> None:
    """Any layout is read; a name that is there twice is refused, and so is a time that is no whole number."""
    proof = sign_compact({"typ": "dpop+jwt", "alg": "ES256", "jwk": public_jwk(KEY)}, payload.encode(), KEY)
    if accepted:
        assert _verify(proof).jti == "j"
    else:
        with pytest.raises(ProofRefusedError):
            _verify(proof)


def test_urls_that_do_not_normalise_compare_exactly() -> None:
    """A URL that has no normal form here, with an encoded slash for one, still compares as text."""
    url = "https://issuer.example.org/a%2Fb"
    _verify(_make(url=url), url=url)
    with pytest.raises(ProofRefusedError):
        _verify(_make(url=url), url="https://issuer.example.org/a/b")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ({}, {"method": "GET"}),
        ({"method": "post"}, {}),
        ({}, {"url": "https://issuer.example.org/v1/other"}),
        ({}, {"url": "http://issuer.example.org/v1/issue"}),
        ({}, {"now": NOW + 66}),
        ({}, {"now": NOW - 6}),
        ({}, {"access_token": "t"}),
        ({"access_token": "other"}, {"access_token": "t"}),
        ({}, {"body": b""}),
        ({"body": b"{}"}, {"body": b"{ }"}),
        ({"jti": "x" * 257}, {}),
    ],
)
def test_refuses_another_request(made: dict[str, object], expected: dict[str, object]) -> None:
    """A proof for another method, URL, time, token or body is refused."""
    with pytest.raises(ProofRefusedError):
        _verify(_make(**made), **expected)


@pytest.mark.parametrize("made", [{}, {"nonce": "stale"}])
def test_nonce_has_its_own_code(made: dict[str, str]) -> None:
    """A missing or stale nonce is told apart, so that a client can repeat the request with a fresh one."""
    with pytest.raises(ProofRefusedError) as refusal:
        _verify(_make(**made), nonce_check=lambda nonce: nonce == "fresh")
    assert refusal.value.code == "use_dpop_nonce"


def _header(change: dict[str, object]) -> dict[str, object]:
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public_jwk(KEY), **change}
    return {name: value for name, value in header.items() if value is not None}


@pytest.mark.parametrize(
    "change",
    [
        {"typ": "JWT"},
        {"typ": None},
        {"jwk": None},
        {"jwk": "x"},
        {"jwk": {**public_jwk(KEY), "d": "AA"}},
        {"jwk": {"kty": "oct", "k": "AA"}},
        {"jwk": public_jwk(ec.generate_private_key(ec.SECP256R1()))},
        {"kid": "1"},
        {"jku": "https://evil.example/"},
        {"crit": ["b64"]},
    ],
)
def test_refuses_other_headers(change: dict[str, object]) -> None:
    """The header is exactly `typ`, `alg` and the public key that signed."""
    claims = msgspec.json.encode({"jti": "j", "htm": "POST", "htu": URL, "iat": NOW})
    with pytest.raises(ProofRefusedError):
        _verify(sign_compact(_header(change), claims, KEY))


@pytest.mark.parametrize("alg", ["none", "HS256", "ES384", "RS256"])
def test_refuses_other_algorithms(alg: str) -> None:
    """An algorithm that is not the key's own is refused, whatever the signature."""
    _, payload, signature = _make().split(".")
    forged = b64url_encode(json.dumps(_header({"alg": alg})).encode())
    with pytest.raises(ProofRefusedError):
        _verify(f"{forged}.{payload}.{signature}")
    with pytest.raises(ProofRefusedError):
        _verify(f"{forged}.{payload}.")


@pytest.mark.parametrize("name", ["jti", "htm", "htu", "iat"])
@pytest.mark.parametrize("value", [None, True, 1.5, "", [], {}])
def test_refuses_wrong_claims(name: str, value: object) -> None:
    """Each required claim must be there, with its type."""
    claims = {"jti": "j", "htm": "POST", "htu": URL, "iat": NOW, name: value}
    with pytest.raises(ProofRefusedError):
        _verify(sign_compact(_header({}), msgspec.json.encode(claims), KEY))


@given(st.text(max_size=300))
def test_garbage_never_crashes(proof: str) -> None:
    """Whatever comes in the header is refused as a proof."""
    with pytest.raises(ProofRefusedError):
        _verify(proof)


def _proof(jti: str = "j", valid_until: int = NOW + 65) -> Proof:
    return Proof("k", jti, NOW, valid_until, {})


def test_a_proof_is_used_once() -> None:
    """Of many who use one proof at the same moment, one succeeds."""
    cache = ReplayCache()

    def attempt(_: int) -> bool:
        try:
            cache.use(_proof(), now=NOW)
        except ProofRefusedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(64))) == 1


def test_a_full_cache_refuses_rather_than_forgets() -> None:
    """Full of proofs that are still good, the cache refuses new ones, and makes room when the old ones have ended."""
    cache = ReplayCache(max_entries=2)
    cache.use(_proof("a"), now=NOW)
    cache.use(_proof("b", NOW + 100), now=NOW)
    with pytest.raises(ProofRefusedError) as refusal:
        cache.use(_proof("c"), now=NOW + 65)
    assert refusal.value.code == "replay_cache_full"
    cache.use(_proof("c", NOW + 140), now=NOW + 66)
    with pytest.raises(ProofRefusedError, match="before"):
        cache.use(_proof("b", NOW + 100), now=NOW + 66)
