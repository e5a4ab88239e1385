"""OIDC tokens against a real provider over loopback: what is accepted, and every known way to cheat."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from attestors.base import Appraisal, AppraisalContext, Origin
from attestors.configuring import AttestorHost
from attestors.errors import EvidenceRefusedError
from attestors.http_client import AiohttpClient
from attestors.keysource import RETRY_SECONDS
from attestors.oidc import OIDCAttestor
from remit.ids import TrustDomain
from tests.fakes.oidc_provider import OIDCProvider, SigningKey, serve

NOW = 1_800_000_000
AUDIENCE = "https://issuer.example.org"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)

Appraise = Callable[..., Any]


@pytest.fixture
async def provider() -> AsyncIterator[OIDCProvider]:
    async with serve(OIDCProvider(SigningKey("rsa", RSA_KEY), SigningKey("ec"))) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[AiohttpClient]:
    async with AiohttpClient() as client:
        yield client


def attestor(provider: OIDCProvider, http: AiohttpClient, **settings: Any) -> OIDCAttestor:
    table = {"name": "ci", "issuer": provider.url, "claims": ["sub", "ref"], "insecure_loopback_http": True, **settings}
    return OIDCAttestor.from_settings([table], AttestorHost(AUDIENCE, TrustDomain.parse("example.org"), 5, http))


def claims(provider: OIDCProvider, **changes: Any) -> dict[str, Any]:
    usual = {
        "iss": provider.url,
        "aud": AUDIENCE,
        "sub": "repo:a/b",
        "iat": NOW,
        "exp": NOW + 300,
        "ref": "main",
        **changes,
    }
    return {name: value for name, value in usual.items() if value is not None}


async def appraise(at: OIDCAttestor, token: str, now: int = NOW) -> Appraisal:
    evidence = json.dumps({"attestor": "oidc", "token": token}).encode()
    return await at.appraise(evidence, AppraisalContext(now, Origin.DIRECT))


async def refusal(at: OIDCAttestor, token: str, now: int = NOW) -> EvidenceRefusedError:
    with pytest.raises(EvidenceRefusedError) as refused:
        await appraise(at, token, now)
    assert token not in str(refused.value)
    return refused.value


@pytest.mark.parametrize("key", [0, 1])
async def test_a_good_token_gives_its_claims(provider: OIDCProvider, http: AiohttpClient, key: int) -> None:
    """Signed by any of the provider's keys; the appraisal ends with the token."""
    appraisal = await appraise(attestor(provider, http), provider.keys[key].sign(claims(provider)))
    assert appraisal.selectors == {"oidc:ci:sub:repo:a/b", "oidc:ci:ref:main"}
    assert appraisal.expires_at == NOW + 300
    assert appraisal.use_once is None


async def test_keys_are_fetched_once(provider: OIDCProvider, http: AiohttpClient) -> None:
    """Many tokens, one discovery and one key document; a new key is found after the interval."""
    at = attestor(provider, http)
    for _ in range(3):
        await appraise(at, provider.sign(claims(provider)))
    assert provider.requests == ["/.well-known/openid-configuration", "/keys"]
    fresh = SigningKey("fresh")
    provider.keys.append(fresh)
    later = NOW + RETRY_SECONDS
    assert await appraise(at, fresh.sign(claims(provider, iat=later)), later)


def _hmac_token(secret: bytes, payload: dict[str, Any], alg: str, kid: str) -> str:
    def encode(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signing_input = f"{encode(json.dumps({'alg': alg, 'kid': kid}).encode())}.{encode(json.dumps(payload).encode())}"
    return f"{signing_input}.{encode(hmac.digest(secret, signing_input.encode(), 'sha256'))}"


async def test_a_public_key_is_no_hmac_secret(provider: OIDCProvider, http: AiohttpClient) -> None:
    """HS256 with the published key as the secret, in any encoding, is refused."""
    public = RSA_KEY.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, pem.strip(), json.dumps(provider.keys[0].jwk()).encode(), b""):
        token = _hmac_token(secret, claims(provider), "HS256", "rsa")
        assert "algorithm" in (await refusal(attestor(provider, http), token)).detail


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "", "EdDSA", "HS256", "ES256", "RS512 ", "rs256", "RS384", 1, None]
)
async def test_other_algorithms_are_refused(provider: OIDCProvider, http: AiohttpClient, alg: object) -> None:
    """Only what is configured, and only by a key of that kind."""
    await refusal(attestor(provider, http), provider.sign(claims(provider), alg=alg))


async def test_an_algorithm_has_to_be_configured(provider: OIDCProvider, http: AiohttpClient) -> None:
    """A good signature by a published key is not enough when the provider does not sign that way."""
    at = attestor(provider, http, algorithms=["RS256"])
    assert await appraise(at, provider.keys[0].sign(claims(provider)))
    assert "algorithm" in (await refusal(at, provider.keys[1].sign(claims(provider)))).detail


async def test_an_unsigned_token_is_refused(provider: OIDCProvider, http: AiohttpClient) -> None:
    """`alg: none` with an empty signature, and a good token whose signature was cut off."""
    token = provider.sign(claims(provider))
    unsigned = provider.sign(claims(provider), alg="none").rpartition(".")[0] + "."
    await refusal(attestor(provider, http), unsigned)
    await refusal(attestor(provider, http), token.rpartition(".")[0] + ".")


@pytest.mark.parametrize(
    "header",
    [
        {"kid": None},
        {"kid": ""},
        {"kid": "../../dev/null"},
        {"kid": "rsa' OR '1'='1"},
        {"kid": "http://evil.example/key"},
        {"kid": ["rsa"]},
        {"kid": "ec"},
        {"jku": "http://evil.example/keys"},
        {"x5u": "http://evil.example/chain"},
        {"x5c": ["AAAA"]},
        {"jwk": SigningKey("rsa").jwk()},
        {"crit": ["exp"]},
        {"b64": False},
        {"typ": "dpop+jwt"},
        {"typ": "secevent+jwt"},
        {"typ": 1},
    ],
    ids=lambda header: "-".join(f"{name}={str(value)[:12]}" for name, value in header.items()),
)
async def test_header_tricks_are_refused(provider: OIDCProvider, http: AiohttpClient, header: dict[str, Any]) -> None:
    """A kid is looked up and nothing else; a token never brings its own key."""
    await refusal(attestor(provider, http), provider.sign(claims(provider), **header))
    assert all(path in ("/.well-known/openid-configuration", "/keys") for path in provider.requests)


async def test_a_foreign_key_under_a_known_kid_is_refused(provider: OIDCProvider, http: AiohttpClient) -> None:
    """The signature decides, not the kid."""
    impostor = SigningKey("rsa", rsa.generate_private_key(public_exponent=65537, key_size=2048))
    assert "signature" in (await refusal(attestor(provider, http), impostor.sign(claims(provider)))).detail


@pytest.mark.parametrize(
    "audience",
    [
        None,
        "",
        [],
        [""],
        "https://other.example",
        [AUDIENCE, "https://other.example"],
        AUDIENCE + "/",
        1,
        {"a": 1},
        [1],
        [[AUDIENCE]],
    ],
    ids=str,
)
async def test_a_token_for_others_is_refused(provider: OIDCProvider, http: AiohttpClient, audience: object) -> None:
    """Missing, empty, foreign, shared with others, or almost ours."""
    await refusal(attestor(provider, http), provider.sign(claims(provider, aud=audience)))


async def test_an_audience_list_of_us_alone_is_accepted(provider: OIDCProvider, http: AiohttpClient) -> None:
    """RFC 7519 allows a list of one."""
    assert await appraise(attestor(provider, http), provider.sign(claims(provider, aud=[AUDIENCE])))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": NOW - 5}, "evidence_expired"),
        ({"iat": NOW + 6}, "evidence_expired"),
        ({"nbf": NOW + 6}, "evidence_expired"),
        ({"iat": NOW - 3606, "exp": NOW + 9999}, "evidence_expired"),
        ({"exp": None}, "evidence_refused"),
        ({"iat": None}, "evidence_refused"),
        ({"exp": "2100-01-01"}, "evidence_refused"),
        ({"exp": True}, "evidence_refused"),
        ({"exp": -1}, "evidence_refused"),
        ({"exp": 10**30}, "evidence_refused"),
        ({"iat": [NOW]}, "evidence_refused"),
    ],
)
async def test_a_token_outside_its_time_is_refused(
    provider: OIDCProvider, http: AiohttpClient, changes: dict[str, Any], code: str
) -> None:
    """Expired, of the future, too old, or with times that are none."""
    assert (await refusal(attestor(provider, http), provider.sign(claims(provider, **changes)))).code == code


@pytest.mark.parametrize(
    "changes", [{"exp": NOW - 4}, {"iat": NOW + 5}, {"nbf": NOW + 5}, {"iat": NOW - 3605}, {"exp": NOW + 1.5}]
)
async def test_the_leeway_is_kept_both_ways(
    provider: OIDCProvider, http: AiohttpClient, changes: dict[str, Any]
) -> None:
    """Clocks that differ by no more than the leeway do no harm."""
    assert await appraise(attestor(provider, http), provider.sign(claims(provider, **changes)))


@pytest.mark.parametrize("suffix", ["/", "/.", "?", "#", " ", "%2F"])
async def test_an_issuer_is_compared_letter_by_letter(provider: OIDCProvider, http: AiohttpClient, suffix: str) -> None:
    """A trailing slash makes another issuer."""
    await refusal(attestor(provider, http), provider.sign(claims(provider, iss=provider.url + suffix)))
    assert provider.requests == []


async def test_an_issuer_with_a_trailing_slash_is_found(provider: OIDCProvider, http: AiohttpClient) -> None:
    """Configured with the slash, it is asked without a double one, and its document has to have the slash too."""
    slashed = provider.url + "/"
    at = attestor(provider, http, issuer=slashed)
    assert (await refusal(at, provider.sign(claims(provider, iss=slashed)))).code == "evidence_unavailable"
    provider.discovery["issuer"] = slashed
    later = NOW + RETRY_SECONDS
    assert await appraise(at, provider.sign(claims(provider, iss=slashed)), later)
    assert "//.well-known/openid-configuration" not in provider.requests


@pytest.mark.parametrize(
    "jwks_uri",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://localhost:1/keys",
        "http://127.0.0.1:1/keys",
        "http://evil.example/keys",
        "file:///etc/passwd",
        "http://user@127.0.0.1/keys",
        "/keys",
        "",
        1,
        None,
    ],
    ids=str,
)
async def test_discovery_cannot_send_us_elsewhere(
    provider: OIDCProvider, http: AiohttpClient, jwks_uri: object
) -> None:
    """A jwks_uri of another host, port or scheme is not fetched."""
    provider.discovery["jwks_uri"] = jwks_uri
    assert (await refusal(attestor(provider, http), provider.sign(claims(provider)))).code == "evidence_unavailable"
    assert provider.requests == ["/.well-known/openid-configuration"]


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys"])
async def test_redirects_are_not_followed(provider: OIDCProvider, http: AiohttpClient, path: str) -> None:
    """Neither to elsewhere nor to the same host."""
    provider.redirects[path] = f"{provider.url}/elsewhere"
    assert (await refusal(attestor(provider, http), provider.sign(claims(provider)))).code == "evidence_unavailable"
    assert "/elsewhere" not in provider.requests


def _huge_rsa() -> dict[str, str]:
    return {
        "kty": "RSA",
        "kid": "rsa",
        "e": "AQAB",
        "n": base64.urlsafe_b64encode(b"\xff" * 4096).rstrip(b"=").decode(),
    }


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":[]}',
        b'{"keys":[],"keys":[]}',
        b'{"keys":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"keys":"' + b"x" * 600_000 + b'"}',
        json.dumps({"keys": [_huge_rsa()]}).encode(),
        json.dumps({"keys": [{"kty": "oct", "kid": "rsa", "k": "AAAA"}]}).encode(),
        json.dumps({"keys": [SigningKey("rsa").jwk(use="enc")]}).encode(),
    ],
    ids=["empty", "list", "no-keys", "empty-keys", "duplicate", "deep", "large", "huge-rsa", "oct", "enc"],
)
async def test_bad_key_documents_are_refused(provider: OIDCProvider, http: AiohttpClient, document: bytes) -> None:
    """A document without a usable key, or one made to hurt, is as good as none."""
    provider.documents["/keys"] = document
    assert (await refusal(attestor(provider, http), provider.sign(claims(provider)))).code == "evidence_unavailable"


@pytest.mark.parametrize("document", [b"", b"[]", b'{"issuer":"https://other.example","jwks_uri":"x"}', b"{" * 5000])
async def test_bad_discovery_documents_are_refused(
    provider: OIDCProvider, http: AiohttpClient, document: bytes
) -> None:
    """A discovery document has to be one, and for the issuer that was asked."""
    provider.documents["/.well-known/openid-configuration"] = document
    assert (await refusal(attestor(provider, http), provider.sign(claims(provider)))).code == "evidence_unavailable"


async def test_json_with_two_readings_is_refused(provider: OIDCProvider, http: AiohttpClient) -> None:
    """Duplicate claims, deep nesting, other encodings: refused before the signature is looked at."""
    at = attestor(provider, http)
    good = json.dumps(claims(provider))
    for payload in (
        good[:-1] + ',"sub":"repo:evil/x"}',
        good[:-1] + ',"\\u0073ub":"repo:evil/x"}',
        good[:-1] + ',"x":' + "[" * 200 + "]" * 200 + "}",
        good[:-1] + ',"x":NaN}',
        good[:-1] + ',"x":"\\ud800"}',
        "[]",
        "null",
    ):
        await refusal(at, provider.sign(payload.encode()))
    await refusal(at, provider.sign(good.encode("utf-16")))
    await refusal(at, provider.sign(b"\xef\xbb\xbf" + good.encode()))
    assert provider.requests == []


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "....", "a" * 20_000, "é.é.é"])
async def test_what_is_no_token_is_refused(provider: OIDCProvider, http: AiohttpClient, token: str) -> None:
    """Anything else than a compact JWS of bounded size."""
    with pytest.raises(EvidenceRefusedError):
        await appraise(attestor(provider, http), token)


async def test_a_token_for_single_use_names_its_signed_bytes(provider: OIDCProvider, http: AiohttpClient) -> None:
    """The digest is of what was signed: another signature over the same bytes is the same evidence."""
    at = attestor(provider, http, single_use=True)
    token = provider.keys[1].sign(claims(provider))
    again = provider.keys[1].sign(claims(provider))
    first, second = await appraise(at, token), await appraise(at, again)
    assert token != again
    assert first.use_once == second.use_once
    assert first.use_once == hashlib.sha256(b"oidc\0" + token.rpartition(".")[0].encode()).hexdigest()
    assert first.use_once_until == NOW + 305
    assert first.provider == "ci"


async def test_a_token_without_the_exposed_claims_says_nothing(provider: OIDCProvider, http: AiohttpClient) -> None:
    """No selectors is a refusal, not an empty match."""
    await refusal(attestor(provider, http, claims=["ref"]), provider.sign(claims(provider, ref=None)))


@pytest.mark.parametrize("name", ["iss", "sub"])
@pytest.mark.parametrize("value", [None, "", 7, True, ["repo:a/b"], {"repo": "a/b"}])
async def test_who_issued_it_and_about_whom_is_text(
    provider: OIDCProvider, http: AiohttpClient, name: str, value: object
) -> None:
    """Anything else is refused, also where no selector is made of it: the audit log names the subject."""
    refused = await refusal(attestor(provider, http, claims=["ref"]), provider.sign(claims(provider, **{name: value})))
    assert refused.code == "evidence_refused"


async def test_required_and_expected_claims_are_checked(provider: OIDCProvider, http: AiohttpClient) -> None:
    """They are part of the provider's configuration, not of the token."""
    at = attestor(provider, http, required_claims=["jti"], expected_claims={"ref": ["main"]})
    assert await appraise(at, provider.sign(claims(provider, jti="1")))
    await refusal(at, provider.sign(claims(provider)))
    await refusal(at, provider.sign(claims(provider, jti="1", ref="topic")))


async def test_a_provider_that_is_down_is_said_to_be(provider: OIDCProvider, http: AiohttpClient) -> None:
    """Nothing is accepted, and the code says that trying later may help."""
    at = attestor(provider, http)
    provider.documents["/keys"] = b"overloaded"
    assert (await refusal(at, provider.sign(claims(provider)))).code == "evidence_unavailable"
    del provider.documents["/keys"]
    assert await appraise(at, provider.sign(claims(provider)), NOW + RETRY_SECONDS)
