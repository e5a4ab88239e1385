"""`[[oidc]]` tables: presets, and what is refused at start."""

import re

import pytest

from attestors.configuring import AttestorHost
from attestors.fetching import HTTPResponse, Network
from attestors.oidc import PRESETS, OIDCAttestor, OIDCProvider
from remit.errors import ConfigurationError
from remit.ids import TrustDomain
from remit.jose import ALGORITHMS


class _NoHTTP:
    async def get(self, url: str, *, max_bytes: int, network: Network) -> HTTPResponse:
        raise AssertionError("nothing is fetched at start")


HOST = AttestorHost("https://issuer.example.org", TrustDomain.parse("example.org"), 5, _NoHTTP())
GITHUB = {"name": "github", "preset": "github"}
PLAIN = {"name": "ci", "issuer": "https://ci.example.com/", "claims": ["sub"]}
TENANT = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("preset", "issuer"),
    [
        ("github", None),
        ("github", "https://token.actions.githubusercontent.com/octo-enterprise"),
        ("gitlab", None),
        ("gitlab", "https://gitlab.example.com"),
        ("kubernetes", "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"),
        ("gcp", None),
        ("azure", f"https://login.microsoftonline.com/{TENANT}/v2.0"),
        ("azure", f"https://sts.windows.net/{TENANT}/"),
        ("aws", "https://abc123-def456.tokens.sts.global.api.aws"),
    ],
)
def test_presets_make_a_provider_of_two_lines(preset: str, issuer: str | None) -> None:
    """Name and preset suffice, and the issuer where there is no common one."""
    table = {"name": "x", "preset": preset} | ({"issuer": issuer} if issuer else {})
    provider = OIDCProvider.parse(table, HOST)
    assert provider.audiences == {"https://issuer.example.org"}
    assert provider.required
    assert provider.exposed
    assert provider.site.network is Network.PUBLIC
    assert not provider.discovery_url.removeprefix("https://").count("//")


def test_presets_are_sound() -> None:
    """Their patterns compile, their algorithms are allowed, and each requires what identifies its tokens."""
    for preset in PRESETS.values():
        assert re.compile(preset.issuer_pattern)
        assert preset.issuer is None or re.fullmatch(preset.issuer_pattern, preset.issuer)
        assert set(preset.algorithms) <= ALGORITHMS
        assert "sub" in preset.required
        assert "sub" in preset.claims


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"name": "x", "preset": "myspace"}, "preset"),
        ({"name": "x"}, "issuer is missing"),
        ({"name": "x", "preset": "kubernetes"}, "issuer is missing"),
        ({**GITHUB, "issuer": "https://token.actions.githubusercontent.com/"}, "trailing slash"),
        ({**GITHUB, "issuer": "https://token.actions.githubusercontent.com.evil.example"}, "not one of preset"),
        (
            {"name": "x", "preset": "azure", "issuer": "https://login.microsoftonline.com/common/v2.0"},
            "not one of preset",
        ),
        ({"name": "x", "preset": "azure", "issuer": f"https://sts.windows.net/{TENANT}"}, "not one of preset"),
        ({**PLAIN, "issuer": "http://ci.example.com"}, "https"),
        ({**PLAIN, "issuer": "https://127.0.0.1:9000"}, "public network"),
        ({**PLAIN, "issuer": "https://issuer.example.org"}, "never evidence"),
        ({**PLAIN, "issuer": "https://issuer.example.org/other"}, "never evidence"),
        ({**PLAIN, "issuer": "https://8.8.8.8", "insecure_loopback_http": True}, "loopback"),
        ({**PLAIN, "claims": []}, "claims is empty"),
        ({**PLAIN, "claims": ["https://sts.amazonaws.com/.x"]}, "claim_paths"),
        ({**PLAIN, "claim_paths": {"x": []}}, "claim"),
        ({**PLAIN, "algorithms": ["HS256"]}, "algorithms"),
        ({**PLAIN, "algorithms": ["none"]}, "algorithms"),
        ({**PLAIN, "algorithms": []}, "algorithms"),
        ({**PLAIN, "expected_claims": {"ref": []}}, "expected_claims"),
        ({**PLAIN, "surprise": 1}, "surprise"),
        ({**PLAIN, "name": "Has:Colon"}, "oidc"),
        ("text", "oidc"),
    ],
)
def test_an_unsafe_or_wrong_table_is_refused(table: object, words: str) -> None:
    """The message says which provider and what is wrong with it."""
    with pytest.raises(ConfigurationError) as refused:
        OIDCProvider.parse(table, HOST)
    assert words in str(refused.value)


def test_two_providers_of_one_issuer_or_name_are_refused() -> None:
    """It would be open whose rules hold, or whose selectors these are."""
    for other in ({**PLAIN, "name": "other"}, {**PLAIN, "issuer": "https://two.example.com"}):
        with pytest.raises(ConfigurationError, match="same issuer or the same name"):
            OIDCAttestor.from_settings([PLAIN, other], HOST)
