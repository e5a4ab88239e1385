"""Evidence `spiffe`: a JWT-SVID of a foreign trust domain, checked with the bundle of that domain's endpoint.

The endpoint is reached by the `https_web` profile (SPIFFE Federation, section 5.2.1). A bundle whose sequence number goes
back is not taken: somebody replays an old one, in which a withdrawn key still stands.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Final, Literal, Self

import msgspec
from msgspec import Meta

from attestors.base import Appraisal, AppraisalContext, Attestor, Origin
from attestors.configuring import AttestorHost, decode_table
from attestors.errors import EvidenceRefusedError
from attestors.fetching import HTTPClient, Network, Site, fetch, site_of
from attestors.jwt_evidence import Freshness, UnverifiedToken, check_audience
from attestors.keysource import MAX_AGE_SECONDS, KeySource, LoadedKeys
from attestors.token_evidence import decode_evidence
from remit.bundle import Bundle
from remit.errors import ConfigurationError, InvalidInputError
from remit.ids import SPIFFEID, TrustDomain
from remit.jose import ALGORITHMS

_DEFAULT_REFRESH_SECONDS: Final = 300
_LEAST_REFRESH_SECONDS: Final = 30
_HEADERS: Final = frozenset({"alg", "kid", "typ"})


class SPIFFETable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a `[[spiffe]]` table.

    Attributes:
        trust_domain: the foreign one.
        bundle_endpoint_url: where its bundle is.
        audiences: what `aud` may be; left out, the issuer's own public URL.
        max_age_seconds: how old an SVID may be, if it says when it was issued.
        private_network, insecure_loopback_http: as for `[[oidc]]`.
    """

    trust_domain: str
    bundle_endpoint_url: str
    audiences: tuple[str, ...] = ()
    max_age_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 3600
    private_network: bool = False
    insecure_loopback_http: bool = False


class ForeignDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A foreign trust domain whose SVIDs are accepted, checked."""

    trust_domain: TrustDomain
    url: str
    site: Site
    audiences: frozenset[str]
    freshness: Freshness

    @classmethod
    def parse(cls, table: object, host: AttestorHost) -> "ForeignDomain":
        """Read one `[[spiffe]]` table.

        Raises:
            ConfigurationError: an unknown key, a wrong or unsafe value, or the issuer's own trust domain.
        """
        settings = decode_table("spiffe", table, SPIFFETable)
        try:
            trust_domain = TrustDomain.parse(settings.trust_domain)
        except InvalidInputError as error:
            raise ConfigurationError(f"spiffe: {error.detail}", hint=error.hint) from error
        if trust_domain == host.trust_domain:
            raise ConfigurationError(f"spiffe {trust_domain}: this issuer's own trust domain is never foreign")
        network = Network.PRIVATE if settings.private_network else Network.PUBLIC
        url = settings.bundle_endpoint_url
        return cls(
            trust_domain=trust_domain,
            url=url,
            site=site_of(url, (), Network.LOOPBACK if settings.insecure_loopback_http else network),
            audiences=frozenset(settings.audiences or (host.public_url,)),
            freshness=Freshness(host.leeway_seconds, settings.max_age_seconds, issued_at_required=False),
        )


class SPIFFEEvidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`{"attestor":"spiffe","token":"…"}`."""

    token: str
    attestor: Literal["spiffe"] = "spiffe"


class SPIFFEAttestor(Attestor):
    """Accepts JWT-SVIDs of its foreign trust domains, from workloads that present them themselves."""

    name: ClassVar[str] = "spiffe"
    origins: ClassVar[frozenset[Origin]] = frozenset({Origin.DIRECT})
    selector_types: ClassVar[frozenset[str]] = frozenset({"spiffe"})

    def __init__(self, domains: Sequence[ForeignDomain], http: HTTPClient) -> None:
        """Serve `domains`.

        Raises:
            ConfigurationError: one of them is there twice.
        """
        self._domains = {domain.trust_domain: domain for domain in domains}
        if len(self._domains) < len(domains):
            raise ConfigurationError("spiffe: a trust domain is there twice")
        self._keys = {
            domain.trust_domain: KeySource(f"trust domain {domain.trust_domain}", BundleEndpoint(domain, http).load)
            for domain in domains
        }

    @classmethod
    def from_settings(cls, settings: object, host: AttestorHost) -> Self:
        """Read the list of `[[spiffe]]` tables; see `attestors.base.Attestor.from_settings`."""
        tables = settings if isinstance(settings, list | tuple) else ()
        return cls([ForeignDomain.parse(table, host) for table in tables], host.http)

    async def _appraise(self, evidence: bytes, context: AppraisalContext) -> Appraisal:
        shown = decode_evidence(evidence, SPIFFEEvidence, "spiffe")
        token = UnverifiedToken.parse(shown.token)
        if not token.header.keys() <= _HEADERS:  # JWT-SVID, section 2
            raise EvidenceRefusedError("the svid has a header that a JWT-SVID may not have")
        spiffe_id, domain = self._domain(token)
        claims = await token.verify(self._keys[domain.trust_domain], ALGORITHMS, context.now)
        check_audience(claims, domain.audiences)
        expires_at = domain.freshness.check(claims, context.now)
        return Appraisal(
            selectors=frozenset({f"spiffe:id:{spiffe_id}", f"spiffe:trust-domain:{domain.trust_domain}"}),
            subject=str(spiffe_id),
            expires_at=expires_at,
            provider=str(domain.trust_domain),
        )

    def _domain(self, token: UnverifiedToken) -> tuple[SPIFFEID, ForeignDomain]:
        """By the trust domain of `sub`: keys of one domain never vouch for a name in another."""
        subject = token.unverified_claims.get("sub")
        try:
            spiffe_id = SPIFFEID.parse(subject if isinstance(subject, str) else "")
        except InvalidInputError as error:
            raise EvidenceRefusedError("the svid's sub is not a SPIFFE ID") from error
        domain = self._domains.get(spiffe_id.trust_domain)
        if domain is None or not spiffe_id.path:
            raise EvidenceRefusedError("the svid's sub is not a workload of a configured foreign trust domain")
        return spiffe_id, domain


class BundleEndpoint:
    """The bundle endpoint of one domain; remembers the sequence number, which may not go back."""

    def __init__(self, domain: ForeignDomain, http: HTTPClient) -> None:
        """Nothing is fetched yet."""
        self._domain = domain
        self._http = http
        self._sequence: int | None = None

    async def load(self) -> LoadedKeys:
        """Fetch the bundle.

        Raises:
            EvidenceRefusedError: code `evidence_unavailable`: not reachable, not a bundle, or an old one.
        """
        document = await fetch(self._http, self._domain.site, self._domain.url)
        try:
            bundle = Bundle.parse(document, self._domain.trust_domain)
        except InvalidInputError as error:
            raise EvidenceRefusedError(
                f"the bundle of {self._domain.trust_domain} does not parse: {error.detail}", code="evidence_unavailable"
            ) from error
        if self._sequence is not None and (bundle.sequence is None or bundle.sequence < self._sequence):
            raise EvidenceRefusedError(
                f"the bundle of {self._domain.trust_domain} is older than one seen before", code="evidence_unavailable"
            )
        self._sequence = bundle.sequence
        hint = bundle.refresh_hint or _DEFAULT_REFRESH_SECONDS
        return LoadedKeys(bundle.keys, min(max(hint, _LEAST_REFRESH_SECONDS), MAX_AGE_SECONDS))
