"""One OIDC provider as it is configured: a `[[oidc]]` table, completed by its preset and checked at start."""

import re
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from attestors.configuring import AttestorHost, decode_table
from attestors.fetching import Network, Site, host_of, site_of
from attestors.jwt_evidence import Freshness
from attestors.oidc.claims import ClaimPath
from attestors.oidc.presets import PRESETS, Preset
from remit.errors import ConfigurationError
from remit.jose import ALGORITHMS

_CLAIM_NAME: Final = re.compile(r"[A-Za-z0-9._/-]+")
_GENERIC: Final = Preset(issuer_pattern=".*", algorithms=("ES256", "RS256"), required=(), claims={})

Name = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,62}\Z")]


class OIDCTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a `[[oidc]]` table; what is left out comes from the preset.

    Attributes:
        name: the provider's name in selectors (`oidc:<name>:…`).
        preset: `github`, `gitlab`, `kubernetes`, `gcp`, `azure` or `aws`.
        issuer: exactly as in the tokens' `iss`, with or without the trailing slash.
        audiences: what `aud` may be; left out, the issuer's own public URL.
        jwks_hosts: hosts that its keys may be at, beside the issuer's own.
        algorithms: that are accepted.
        claims: more claims that become selectors, by dotted path.
        claim_paths: more of them, a selector name for each path of parts.
        required_claims: more claims that must be there.
        expected_claims: claims and the only values that are accepted.
        max_age_seconds: how old a token may be, by its `iat`.
        single_use: whether each token is accepted once.
        private_network: whether its hosts may have private addresses.
        insecure_loopback_http: whether it is a provider on this machine, reached over plain http; for development.
    """

    name: Name
    preset: str | None = None
    issuer: str | None = None
    audiences: tuple[str, ...] = ()
    jwks_hosts: tuple[str, ...] = ()
    algorithms: tuple[str, ...] | UnsetType = UNSET
    claims: tuple[str, ...] = ()
    claim_paths: dict[str, tuple[str, ...]] = {}
    required_claims: tuple[str, ...] = ()
    expected_claims: dict[str, tuple[str, ...]] = {}
    max_age_seconds: Annotated[int, Meta(ge=1, le=86_400)] | UnsetType = UNSET
    single_use: bool = False
    private_network: bool = False
    insecure_loopback_http: bool = False


class OIDCProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider whose tokens are accepted, complete and checked.

    Attributes:
        name: its name in selectors.
        issuer: the exact `iss`.
        audiences: the only values that `aud` may have; never empty.
        algorithms: those accepted; never empty.
        exposed: claims that become selectors: name → path; never empty.
        required: claims that must be there.
        expected: claims and their only accepted values.
        freshness: how old a token may be.
        single_use: whether each token is accepted once.
        site: where its documents may be fetched from.
    """

    name: str
    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str]
    exposed: Mapping[str, ClaimPath]
    required: tuple[str, ...]
    expected: Mapping[str, tuple[str, ...]]
    freshness: Freshness
    single_use: bool
    site: Site

    @property
    def discovery_url(self) -> str:
        """OpenID Connect Discovery 1.0 section 4.1: a trailing slash of the issuer is removed before the path is added."""
        return self.issuer.removesuffix("/") + "/.well-known/openid-configuration"

    @classmethod
    def parse(cls, table: object, host: AttestorHost) -> "OIDCProvider":
        """Read one `[[oidc]]` table.

        Raises:
            ConfigurationError: an unknown key or preset, or a value that is wrong or unsafe; it names the provider.
        """
        settings = decode_table("oidc", table, OIDCTable)
        try:
            return _provider(settings, _preset(settings), host)
        except ConfigurationError as error:
            raise ConfigurationError(f"oidc {settings.name!r}: {error.detail}", hint=error.hint) from error


def _preset(settings: OIDCTable) -> Preset:
    if settings.preset is None:
        return _GENERIC
    if settings.preset not in PRESETS:
        raise ConfigurationError(
            f"there is no preset {settings.preset!r}", hint=f"presets: {', '.join(sorted(PRESETS))}"
        )
    return PRESETS[settings.preset]


def _provider(settings: OIDCTable, preset: Preset, host: AttestorHost) -> OIDCProvider:
    issuer = _issuer(settings, preset, host)
    exposed = _exposed(settings, preset)
    algorithms = frozenset(preset.algorithms if settings.algorithms is UNSET else settings.algorithms)
    if not algorithms or not algorithms <= ALGORITHMS:
        raise ConfigurationError(
            "algorithms holds one that is not allowed", hint=f"allowed: {', '.join(sorted(ALGORITHMS))}"
        )
    if not all(settings.expected_claims.values()):
        raise ConfigurationError("expected_claims has a claim without any accepted value")
    max_age = preset.max_age_seconds if settings.max_age_seconds is UNSET else settings.max_age_seconds
    return OIDCProvider(
        name=settings.name,
        issuer=issuer,
        audiences=frozenset(settings.audiences or (host.public_url,)),
        algorithms=algorithms,
        exposed=exposed,
        required=(*preset.required, *settings.required_claims),
        expected={**preset.expected, **settings.expected_claims},
        freshness=Freshness(host.leeway_seconds, max_age),
        single_use=settings.single_use,
        site=site_of(issuer, (*preset.jwks_hosts, *settings.jwks_hosts), _network(settings)),
    )


def _issuer(settings: OIDCTable, preset: Preset, host: AttestorHost) -> str:
    issuer = settings.issuer or preset.issuer
    if issuer is None:
        raise ConfigurationError("issuer is missing")
    if not settings.insecure_loopback_http and not re.fullmatch(preset.issuer_pattern, issuer):
        raise ConfigurationError(
            f"issuer {issuer!r} is not one of preset {settings.preset}", hint="mind the trailing slash"
        )
    if host_of(issuer) == host_of(host.public_url):
        raise ConfigurationError("this issuer's own tokens are never evidence", hint="use token exchange to delegate")
    return issuer


def _exposed(settings: OIDCTable, preset: Preset) -> dict[str, ClaimPath]:
    exposed: dict[str, ClaimPath] = {
        **preset.claims,
        **{path: path for path in settings.claims},
        **settings.claim_paths,
    }
    if not exposed:
        raise ConfigurationError("claims is empty, so no entry could match", hint='for instance claims = ["sub"]')
    for name, path in exposed.items():
        if not _CLAIM_NAME.fullmatch(name) or not path:
            raise ConfigurationError(
                f"claims holds {name!r}, which no selector can carry", hint="give it another name in claim_paths"
            )
    return exposed


def _network(settings: OIDCTable) -> Network:
    if settings.insecure_loopback_http:
        return Network.LOOPBACK
    return Network.PRIVATE if settings.private_network else Network.PUBLIC
