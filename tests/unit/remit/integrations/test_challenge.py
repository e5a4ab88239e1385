"""Reading a request's credential, and refusing in the words of HTTP."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import (
    ConfigurationError,
    ProofRefusedError,
    RefusedError,
    RevokedError,
    ScopeRefusedError,
    StaleError,
    TokenInvalidError,
)
from remit.integrations._challenge import Guard, refusal_of
from remit.scope import SpendScope
from tests.fakes.credentials import make_credential
from tests.fakes.verifier import FakeVerifier

CREDENTIAL = make_credential(SpendScope())


def _guard(public_url: str | None = "https://api.example.com/base/") -> tuple[Guard, FakeVerifier]:
    verifier = FakeVerifier({"a.b-c_d": CREDENTIAL})
    return Guard(verifier, public_url=public_url, exempt=("/healthz",)), verifier


@pytest.mark.parametrize("header", ["Bearer a.b-c_d", "bearer a.b-c_d", "BEARER   a.b-c_d  "])
def test_bearer(header: str) -> None:
    """A Bearer token is verified without a proof, even when one came with it (RFC 9449 section 7.2)."""
    guard, verifier = _guard()
    assert guard.admit("GET", "/x", [header], ["proof"]) is CREDENTIAL
    assert verifier.asked == [("a.b-c_d", None, None, None)]


def test_dpop_is_compared_with_the_public_url() -> None:
    """A proof is checked against the configured URL and the path as it was sent."""
    guard, verifier = _guard()
    guard.admit("POST", "/x%2Fy", ["DPoP a.b-c_d"], ["proof"])
    assert verifier.asked == [("a.b-c_d", "proof", "POST", "https://api.example.com/base/x%2Fy")]


def test_without_a_public_url_a_proof_has_nothing_to_match() -> None:
    """Without a configured URL the verifier is told so, and refuses the proof."""
    guard, verifier = _guard(None)
    guard.admit("POST", "/x", ["DPoP a.b-c_d"], ["proof"])
    assert verifier.asked[0][3] is None


@pytest.mark.parametrize("proofs", [[], ["one", "two"]])
def test_one_proof(proofs: list[str]) -> None:
    """The scheme DPoP needs exactly one proof (RFC 9449 section 4.3)."""
    guard, verifier = _guard()
    with pytest.raises(ProofRefusedError):
        guard.admit("GET", "/", ["DPoP a.b-c_d"], proofs)
    assert not verifier.asked


@pytest.mark.parametrize(
    "headers",
    [
        ["Bearer a.b-c_d", "Bearer a.b-c_d"],
        ["Bearer a.b-c_d, Bearer a.b-c_d"],
        ["Bearer"],
        ["Bearer "],
        ["a.b-c_d"],
        [""],
        ["Basic YTpi"],
        ["Bearer a b"],
        ["Bearer a.b-c_d\n"],
        ["Bearer \xff"],
        ["Bearer " + "a" * 20000],
        ["Bearer" + " " * 100000 + "!"],
    ],
)
def test_malformed_headers(headers: list[str]) -> None:
    """Headers that are doubled, odd or huge are refused before the verifier sees them."""
    guard, verifier = _guard()
    with pytest.raises(RefusedError) as refusal:
        guard.admit("GET", "/", headers, [])
    assert refusal.value.code == "malformed_request"
    assert not verifier.asked


@given(st.lists(st.text(max_size=40), max_size=3))
def test_headers_never_crash(headers: list[str]) -> None:
    """Whatever the headers hold, the request is refused and the refusal can be sent."""
    with pytest.raises(RefusedError) as refusal:
        _guard()[0].admit("GET", "/", headers, headers)
    refusal_of(refusal.value)


def test_exempt_paths_are_exact() -> None:
    """Only the very path that is listed is exempt."""
    guard, _ = _guard()
    assert guard.exempts("/healthz")
    assert not any(map(guard.exempts, ("/healthz/", "/healthz/../x", "/HEALTHZ", "/")))


@pytest.mark.parametrize(
    "settings", [{"public_url": "api.example.com", "exempt": ()}, {"public_url": None, "exempt": "/healthz"}]
)
def test_settings(settings: dict[str, object]) -> None:
    """A URL that is none, and one path where several are meant, are noticed at the start."""
    with pytest.raises(ConfigurationError):
        Guard(FakeVerifier({}), **settings)


@pytest.mark.parametrize(
    ("error", "status", "challenge"),
    [
        (RefusedError("none", code="unauthenticated"), 401, "Bearer"),
        (RefusedError("odd", code="malformed_request"), 400, 'Bearer error="invalid_request", error_description="odd"'),
        (TokenInvalidError("bad"), 401, 'Bearer error="invalid_token", error_description="bad"'),
        (RevokedError("gone"), 401, 'Bearer error="invalid_token", error_description="gone"'),
        (ScopeRefusedError("too far"), 403, 'Bearer error="insufficient_scope", error_description="too far"'),
        (StaleError("old"), 503, None),
    ],
)
def test_refusals(error: RefusedError, status: int, challenge: str | None) -> None:
    """Each refusal has its status and the challenge of RFC 6750 section 3."""
    refusal = refusal_of(error)
    problem = json.loads(refusal.body)
    assert refusal.status == problem["status"] == status
    assert problem["type"] == f"urn:remit:problem:{error.code}"
    assert problem["detail"] == error.detail
    challenges = [value for name, value in refusal.headers if name == "WWW-Authenticate"]
    assert challenges[:1] == ([challenge] if challenge else [])
    assert dict(refusal.headers)["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(("code", "expected"), [(None, "invalid_dpop_proof"), ("use_dpop_nonce", "use_dpop_nonce")])
def test_proof_challenge(code: str | None, expected: str) -> None:
    """A refused proof is challenged in the scheme DPoP, with the algorithms that are accepted (RFC 9449 section 7.1)."""
    refusal = refusal_of(ProofRefusedError("no", code=code))
    (challenge,) = [value for name, value in refusal.headers if name == "WWW-Authenticate"]
    assert challenge.startswith('DPoP algs="ES256 ')
    assert f'error="{expected}"' in challenge


@given(st.text(max_size=60))
def test_challenges_stay_in_their_quotes(detail: str) -> None:
    """No text can break out of a header: it stays ASCII, on one line, within its quotes."""
    for _, value in refusal_of(TokenInvalidError(detail)).headers:
        assert value.isascii()
        assert value.isprintable()
        assert value.count('"') % 2 == 0
        assert "\\" not in value
