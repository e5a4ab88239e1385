"""One OIDC provider as it is configured: an `[[oidc]]` table, completed by its preset, or a `[[person]]` table; checked at start."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType, structs

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


class ProviderTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys that the tables of all OIDC providers have, whatever their tokens are good for.

    Attributes:
        name: the provider's name here.
        issuer: exactly as in the tokens' `iss`, with or without the trailing slash.
        audiences: what `aud` may be; left out, the issuer's own public URL.
        jwks_hosts: hosts that its keys may be at, beside the issuer's own.
        algorithms: that are accepted.
        required_claims: more claims that must be there.
        expected_claims: claims and the only values that are accepted.
        max_age_seconds: how old a token may be, by its `iat`.
        private_network: whether its hosts may have private addresses.
        insecure_loopback_http: whether it is a provider on this machine, reached over plain http; for development.
    """

    name: Name
    issuer: str | None = None
    audiences: tuple[str, ...] = ()
    jwks_hosts: tuple[str, ...] = ()
    algorithms: tuple[str, ...] | UnsetType = UNSET
    required_claims: tuple[str, ...] = ()
    expected_claims: dict[str, tuple[str, ...]] = {}
    max_age_seconds: Annotated[int, Meta(ge=1, le=86_400)] | UnsetType = UNSET
    private_network: bool = False
    insecure_loopback_http: bool = False


class OIDCTable(ProviderTable, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of an `[[oidc]]` table, whose tokens are evidence; what is left out comes from the preset.

    Attributes:
        preset: `github`, `gitlab`, `kubernetes`, `gcp`, `azure` or `aws`.
        claims: more claims that become selectors (`oidc:<name>:…`), by dotted path.
        claim_paths: more of them, a selector name for each path of parts.
        single_use: whether each token is accepted once.
    """

    preset: str | None = None
    claims: tuple[str, ...] = ()
    claim_paths: dict[str, tuple[str, ...]] = {}
    single_use: bool = False


class OIDCProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider whose tokens are accepted, complete and checked.

    Attributes:
        name: its name here, and in selectors.
        issuer: the exact `iss`.
        audiences: the only values that `aud` may have; never empty.
        algorithms: those accepted; never empty.
        exposed: claims that become selectors: name → path; empty only where no token is evidence.
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
        with _named("oidc", settings):
            preset = _preset(settings)
            provider = _provider(settings, preset, host)
            return structs.replace(provider, exposed=_exposed(settings, preset), single_use=settings.single_use)

    @classmethod
    def parse_person(cls, table: object, host: AttestorHost) -> "OIDCProvider":
        """Read one `[[person]]` table: a provider whose tokens say on whose behalf an agent acts, and are never evidence.

        Raises:
            ConfigurationError: an unknown key, or a value that is wrong or unsafe; it names the provider.
        """
        settings = decode_table("person", table, ProviderTable)
        with _named("person", settings):
            return _provider(settings, _GENERIC, host)


@contextmanager
def _named(section: str, settings: ProviderTable) -> Iterator[None]:
    """Say of which table an error is."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{section} {settings.name!r}: {error.detail}", hint=error.hint) from error


def _preset(settings: OIDCTable) -> Preset:
    if settings.preset is None:
        return _GENERIC
    if settings.preset not in PRESETS:
        raise ConfigurationError(
            f"there is no preset {settings.preset!r}", hint=f"presets: {', '.join(sorted(PRESETS))}"
        )
    preset = PRESETS[settings.preset]
    if not (settings.issuer is None or settings.insecure_loopback_http) and not re.fullmatch(
        preset.issuer_pattern, settings.issuer
    ):
        raise ConfigurationError(
            f"issuer {settings.issuer!r} is not one of preset {settings.preset}", hint="mind the trailing slash"
        )
    return preset


def _provider(settings: ProviderTable, preset: Preset, host: AttestorHost) -> OIDCProvider:
    """The provider, whose claims become no selectors yet."""
    issuer = _issuer(settings, preset, host)
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
        exposed={},
        required=(*preset.required, *settings.required_claims),
        expected={**preset.expected, **settings.expected_claims},
        freshness=Freshness(host.leeway_seconds, max_age),
        single_use=False,
        site=site_of(issuer, (*preset.jwks_hosts, *settings.jwks_hosts), _network(settings)),
    )


def _issuer(settings: ProviderTable, preset: Preset, host: AttestorHost) -> str:
    issuer = settings.issuer or preset.issuer
    if issuer is None:
        raise ConfigurationError("issuer is missing")
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


def _network(settings: ProviderTable) -> Network:
    if settings.insecure_loopback_http:
        return Network.LOOPBACK
    return Network.PRIVATE if settings.private_network else Network.PUBLIC
