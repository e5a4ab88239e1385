"""JWT-SVIDs of a foreign trust domain against a real bundle endpoint."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from attestors.base import Appraisal, AppraisalContext, Origin
from attestors.configuring import AttestorHost
from attestors.errors import EvidenceRefusedError
from attestors.http_client import AiohttpClient
from attestors.keysource import MAX_AGE_SECONDS, RETRY_SECONDS
from attestors.spiffe import SPIFFEAttestor
from remit.errors import ConfigurationError
from remit.ids import TrustDomain
from tests.fakes.oidc_provider import OIDCProvider, SigningKey, serve

NOW = 1_800_000_000
AUDIENCE = "https://issuer.example.org"
SUBJECT = "spiffe://partner.example/ns/prod/sa/planner"


@pytest.fixture
async def endpoint() -> AsyncIterator[OIDCProvider]:
    async with serve(OIDCProvider(SigningKey("authority"))) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[AiohttpClient]:
    async with AiohttpClient() as client:
        yield client


def attestor(endpoint: OIDCProvider, http: AiohttpClient, **settings: Any) -> SPIFFEAttestor:
    table = {
        "trust_domain": "partner.example",
        "bundle_endpoint_url": f"{endpoint.url}/bundle",
        "insecure_loopback_http": True,
        **settings,
    }
    return SPIFFEAttestor.from_settings([table], AttestorHost(AUDIENCE, TrustDomain.parse("example.org"), 5, http))


def svid(**changes: Any) -> dict[str, Any]:
    return {"sub": SUBJECT, "aud": [AUDIENCE], "exp": NOW + 300, "iat": NOW, **changes}


async def appraise(at: SPIFFEAttestor, token: str, now: int = NOW) -> Appraisal:
    return await at.appraise(
        json.dumps({"attestor": "spiffe", "token": token}).encode(), AppraisalContext(now, Origin.DIRECT)
    )


async def refusal(at: SPIFFEAttestor, token: str, now: int = NOW) -> EvidenceRefusedError:
    with pytest.raises(EvidenceRefusedError) as refused:
        await appraise(at, token, now)
    return refused.value


async def test_a_good_svid_gives_its_name(endpoint: OIDCProvider, http: AiohttpClient) -> None:
    """With the name, and the domain that vouches for it."""
    appraisal = await appraise(attestor(endpoint, http), endpoint.sign(svid()))
    assert appraisal.selectors == {f"spiffe:id:{SUBJECT}", "spiffe:trust-domain:partner.example"}
    assert appraisal.provider == "partner.example"
    assert appraisal.expires_at == NOW + 300


async def test_iat_is_optional(endpoint: OIDCProvider, http: AiohttpClient) -> None:
    """A JWT-SVID need not say when it was issued."""
    token = {name: value for name, value in svid().items() if name != "iat"}
    assert await appraise(attestor(endpoint, http), endpoint.sign(token))


@pytest.mark.parametrize(
    "subject",
    [
        None,
        "",
        1,
        "planner",
        "spiffe://partner.example",
        "spiffe://partner.example/",
        "spiffe://example.org/account/acme/agent/planner",
        "spiffe://other.example/x",
        "spiffe://partner.example.evil/x",
        "spiffe://PARTNER.example/x",
        SUBJECT + "\n",
        SUBJECT + "/../x",
    ],
)
async def test_another_name_is_refused(endpoint: OIDCProvider, http: AiohttpClient, subject: object) -> None:
    """The foreign domain vouches for workloads of its own only: never for ours, never for a third's."""
    await refusal(attestor(endpoint, http), endpoint.sign(svid(sub=subject)))


@pytest.mark.parametrize(
    "header",
    [
        {"kid": None},
        {"kid": "other"},
        {"typ": "at+jwt"},
        {"x5t": "AA"},
        {"jku": "x"},
        {"alg": "none"},
        {"alg": "HS256"},
    ],
)
async def test_header_tricks_are_refused(endpoint: OIDCProvider, http: AiohttpClient, header: dict[str, Any]) -> None:
    """Exactly alg, kid and typ, and a key of the bundle."""
    await refusal(attestor(endpoint, http), endpoint.sign(svid(), **header))


@pytest.mark.parametrize(
    "changes",
    [{"aud": []}, {"aud": None}, {"aud": [AUDIENCE, "x"]}, {"exp": NOW - 5}, {"exp": None}, {"iat": NOW - 7200}],
)
async def test_audience_and_time_are_checked(
    endpoint: OIDCProvider, http: AiohttpClient, changes: dict[str, Any]
) -> None:
    """As for every token."""
    await refusal(attestor(endpoint, http), endpoint.sign(svid(**changes)))


async def test_ordinary_keys_of_the_endpoint_are_not_authorities(endpoint: OIDCProvider, http: AiohttpClient) -> None:
    """Only keys with use jwt-svid sign JWT-SVIDs."""
    endpoint.documents["/bundle"] = json.dumps({"keys": [endpoint.keys[0].jwk(use="x509-svid")]}).encode()
    assert (await refusal(attestor(endpoint, http), endpoint.sign(svid()))).code == "evidence_unavailable"


@pytest.mark.parametrize("sequence", [4, None])
async def test_an_older_bundle_is_not_taken(endpoint: OIDCProvider, http: AiohttpClient, sequence: int | None) -> None:
    """A sequence that goes back, or disappears, leaves the newer bundle in place, until it is too old itself."""
    at = attestor(endpoint, http)
    endpoint.sequence = 5
    old, new = SigningKey("withdrawn"), endpoint.keys[0]
    assert await appraise(at, new.sign(svid()))
    endpoint.sequence, endpoint.keys = sequence, [old]
    later = NOW + 300
    assert (await refusal(at, old.sign(svid(iat=later, exp=later + 300)), later)).code == "evidence_refused"
    assert await appraise(at, new.sign(svid(iat=later, exp=later + 300)), later)
    end = NOW + MAX_AGE_SECONDS + 1
    assert (await refusal(at, new.sign(svid(iat=end, exp=end + 300)), end)).code == "evidence_unavailable"


@pytest.mark.parametrize(("hint", "seconds"), [(None, 300), (60, 60), (1, 30), (10**9, MAX_AGE_SECONDS)])
async def test_the_refresh_hint_is_followed_within_bounds(
    endpoint: OIDCProvider, http: AiohttpClient, hint: int | None, seconds: int
) -> None:
    """A hint of one second does not make us hammer, one of years does not make us believe for years."""
    endpoint.refresh_hint = hint
    at = attestor(endpoint, http)
    for now, fetches in ((NOW, 1), (NOW + seconds - 1, 1), (NOW + seconds, 2)):
        await appraise(at, endpoint.sign(svid(iat=now, exp=now + 300)), now)
        assert len(endpoint.requests) == fetches


async def test_a_rotated_authority_is_found(endpoint: OIDCProvider, http: AiohttpClient) -> None:
    """An unknown kid causes one fetch, and the new key is there."""
    at = attestor(endpoint, http)
    await appraise(at, endpoint.sign(svid()))
    endpoint.keys.insert(0, SigningKey("next"))
    assert await appraise(at, endpoint.sign(svid()), NOW + RETRY_SECONDS)


@pytest.mark.parametrize(
    "settings",
    [
        {"trust_domain": "example.org"},
        {"trust_domain": "Not A Domain"},
        {"bundle_endpoint_url": "http://partner.example/bundle"},
        {"bundle_endpoint_url": "https://10.0.0.1/bundle", "insecure_loopback_http": False},
        {"surprise": True},
    ],
)
async def test_unsafe_settings_are_refused(
    endpoint: OIDCProvider, http: AiohttpClient, settings: dict[str, Any]
) -> None:
    """Our own domain is never foreign, and an endpoint is https unless it is on this machine by name."""
    with pytest.raises(ConfigurationError):
        attestor(endpoint, http, **settings)
