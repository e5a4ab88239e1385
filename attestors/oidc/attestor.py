"""The attestor of OIDC tokens: a provider's token is verified, then its claims become selectors."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import msgspec

from attestors.base import Appraisal, AppraisalContext, Attestor, Origin
from attestors.configuring import AttestorHost
from attestors.fetching import HTTPClient
from attestors.oidc.claims import claim_selectors
from attestors.oidc.config import OIDCProvider
from attestors.oidc.tokens import OIDCTokens
from attestors.token_evidence import decode_evidence


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
        self._tokens = OIDCTokens("oidc", providers, http)

    @classmethod
    def from_settings(cls, settings: object, host: AttestorHost) -> Self:
        """Read the list of `[[oidc]]` tables; see `attestors.base.Attestor.from_settings`."""
        tables = settings if isinstance(settings, list | tuple) else ()
        return cls([OIDCProvider.parse(table, host) for table in tables], host.http)

    async def _appraise(self, evidence: bytes, context: AppraisalContext) -> Appraisal:
        shown = decode_evidence(evidence, OIDCEvidence, "oidc")
        token = await self._tokens.verify(shown.token, context.now)
        provider, leeway_seconds = token.provider, token.provider.freshness.leeway_seconds
        return Appraisal(
            selectors=claim_selectors(provider.name, token.claims, provider.exposed),
            subject=f"{provider.name} {token.subject[:256]}",
            expires_at=token.expires_at,
            use_once=token.unverified.digest(self.name) if provider.single_use else None,
            use_once_until=token.expires_at + leeway_seconds if provider.single_use else None,
            provider=provider.name,
        )
