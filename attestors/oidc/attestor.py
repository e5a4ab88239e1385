"""The attestor of OIDC tokens: which provider, whose key, for whom, how old; then claims become selectors."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import msgspec

from attestors.base import Appraisal, AppraisalContext, Attestor, Origin
from attestors.configuring import AttestorHost
from attestors.errors import EvidenceRefusedError
from attestors.fetching import HTTPClient, fetch
from attestors.jwt_evidence import UnverifiedToken, check_audience
from attestors.keysource import KeySource, LoadedKeys
from attestors.oidc.claims import check_expected, check_required, claim_selectors
from attestors.oidc.config import OIDCProvider
from attestors.token_evidence import decode_evidence
from remit.bundle import parse_jwks
from remit.errors import ConfigurationError, InvalidInputError
from remit.jose import strict_json

_REFRESH_SECONDS = 300


class OIDCEvidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`{"attestor":"oidc","token":"…"}`."""

    token: str
    attestor: Literal["oidc"] = "oidc"


class OIDCAttestor(Attestor):
    """Accepts tokens of its providers, from workloads that present them themselves."""

    name: ClassVar[str] = "oidc"
    origins: ClassVar[frozenset[Origin]] = frozenset({Origin.DIRECT})
    selector_types: ClassVar[frozenset[str]] = frozenset({"oidc"})
    timeout_seconds: ClassVar[float] = 8.0

    def __init__(self, providers: Sequence[OIDCProvider], http: HTTPClient) -> None:
        """Serve `providers`, whose issuers and names all differ.

        Raises:
            ConfigurationError: two of them share an issuer or a name.
        """
        self._providers = {provider.issuer: provider for provider in providers}
        if len(self._providers) < len(providers) or len({provider.name for provider in providers}) < len(providers):
            raise ConfigurationError("oidc: two providers have the same issuer or the same name")
        self._keys = {provider.issuer: _key_source(provider, http) for provider in providers}

    @classmethod
    def from_settings(cls, settings: object, host: AttestorHost) -> Self:
        """Read the list of `[[oidc]]` tables; see `attestors.base.Attestor.from_settings`."""
        tables = settings if isinstance(settings, list | tuple) else ()
        return cls([OIDCProvider.parse(table, host) for table in tables], host.http)

    async def _appraise(self, evidence: bytes, context: AppraisalContext) -> Appraisal:
        shown = decode_evidence(evidence, OIDCEvidence, "oidc")
        token = UnverifiedToken.parse(shown.token)
        provider = self._provider(token)
        claims = await token.verify(self._keys[provider.issuer], provider.algorithms, context.now)
        check_audience(claims, provider.audiences)
        expires_at = provider.freshness.check(claims, context.now)
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:  # OpenID Connect Core, section 2
            raise EvidenceRefusedError("the token's sub is missing, or is no text")
        check_required(claims, provider.required)
        check_expected(claims, provider.expected)
        return Appraisal(
            selectors=claim_selectors(provider.name, claims, provider.exposed),
            subject=f"{provider.name} {subject[:256]}",
            expires_at=expires_at,
            use_once=token.digest(self.name) if provider.single_use else None,
            use_once_until=expires_at + provider.freshness.leeway_seconds if provider.single_use else None,
            provider=provider.name,
        )

    def _provider(self, token: UnverifiedToken) -> OIDCProvider:
        """By the exact text of `iss`: it chooses whose keys the signature is checked with."""
        issuer = token.unverified_claims.get("iss")
        provider = self._providers.get(issuer) if isinstance(issuer, str) else None
        if provider is None:
            raise EvidenceRefusedError(
                "the token's issuer is not one that is configured", hint="compare iss letter by letter, slash included"
            )
        return provider


def _key_source(provider: OIDCProvider, http: HTTPClient) -> KeySource:
    async def load() -> LoadedKeys:
        document = await fetch(http, provider.site, provider.discovery_url)
        keys = await fetch(http, provider.site, _jwks_uri(document, provider))
        try:
            return LoadedKeys(parse_jwks(keys), _REFRESH_SECONDS)
        except InvalidInputError as error:
            raise EvidenceRefusedError(f"{provider.name}: {error.detail}", code="evidence_unavailable") from error

    return KeySource(f"oidc provider {provider.name}", load)


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
