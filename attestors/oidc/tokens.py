"""Tokens of OIDC providers: which provider, whose key, for whom, how old. What they are good for, others decide."""

from collections.abc import Sequence

from msgspec import Struct

from attestors.errors import EvidenceRefusedError
from attestors.fetching import HTTPClient, fetch
from attestors.jwt_evidence import Claims, UnverifiedToken, check_audience
from attestors.keysource import KeySource, LoadedKeys
from attestors.oidc.claims import check_expected, check_required
from attestors.oidc.config import OIDCProvider
from remit.bundle import parse_jwks
from remit.errors import ConfigurationError, InvalidInputError
from remit.jose import strict_json

_REFRESH_SECONDS = 300


class OIDCToken(Struct, frozen=True):
    """A token that was verified.

    Attributes:
        provider: whose it is.
        claims: what it says.
        subject: its `sub`, never empty.
        expires_at: its `exp`, unix seconds.
        unverified: the token taken apart, for its digest.
    """

    provider: OIDCProvider
    claims: Claims
    subject: str
    expires_at: int
    unverified: UnverifiedToken


class OIDCTokens:
    """Verifies the tokens of some providers."""

    def __init__(self, section: str, providers: Sequence[OIDCProvider], http: HTTPClient) -> None:
        """Accept the tokens of `providers`, whose issuers and names all differ; `section` names their tables.

        Raises:
            ConfigurationError: two of them share an issuer or a name.
        """
        self._providers = {provider.issuer: provider for provider in providers}
        if len(self._providers) < len(providers) or len({provider.name for provider in providers}) < len(providers):
            raise ConfigurationError(f"{section}: two providers have the same issuer or the same name")
        self._keys = {provider.issuer: _key_source(section, provider, http) for provider in providers}

    async def verify(self, text: str, now: int) -> OIDCToken:
        """Verify one token; the order is that of `attestors.jwt_evidence`.

        Raises:
            EvidenceRefusedError: it is not a provider's, not for us alone, out of its time, or not as configured.
        """
        token = UnverifiedToken.parse(text)
        provider = self._provider(token)
        claims = await token.verify(self._keys[provider.issuer], provider.algorithms, now)
        check_audience(claims, provider.audiences)
        expires_at = provider.freshness.check(claims, now)
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:  # OpenID Connect Core, section 2
            raise EvidenceRefusedError("the token's sub is missing, or is no text")
        check_required(claims, provider.required)
        check_expected(claims, provider.expected)
        return OIDCToken(provider, claims, subject, expires_at, token)

    def _provider(self, token: UnverifiedToken) -> OIDCProvider:
        """By the exact text of `iss`: it chooses whose keys the signature is checked with."""
        issuer = token.unverified_claims.get("iss")
        provider = self._providers.get(issuer) if isinstance(issuer, str) else None
        if provider is None:
            raise EvidenceRefusedError(
                "the token's issuer is not one that is configured", hint="compare iss letter by letter, slash included"
            )
        return provider


def _key_source(section: str, provider: OIDCProvider, http: HTTPClient) -> KeySource:
    async def load() -> LoadedKeys:
        document = await fetch(http, provider.site, provider.discovery_url)
        keys = await fetch(http, provider.site, _jwks_uri(document, provider))
        try:
            return LoadedKeys(parse_jwks(keys), _REFRESH_SECONDS)
        except InvalidInputError as error:
            raise EvidenceRefusedError(f"{provider.name}: {error.detail}", code="evidence_unavailable") from error

    return KeySource(f"{section} provider {provider.name}", load)


def _jwks_uri(document: bytes, provider: OIDCProvider) -> str:
    """OpenID Connect Discovery 1.0 section 4.3: the document's issuer must be exactly the one that was asked."""
    try:
        metadata = strict_json(document)
    except InvalidInputError as error:
        raise EvidenceRefusedError(
            f"{provider.name}: its discovery {error.detail}", code="evidence_unavailable"
        ) from error
    if not isinstance(metadata, dict) or metadata.get("issuer") != provider.issuer:
        raise EvidenceRefusedError(
            f"{provider.name}: its discovery document is for another issuer", code="evidence_unavailable"
        )
    uri = metadata.get("jwks_uri")
    if not isinstance(uri, str):
        raise EvidenceRefusedError(
            f"{provider.name}: its discovery document has no jwks_uri", code="evidence_unavailable"
        )
    return uri
