"""What an issuer announces about itself (RFC 8414), reduced to what a verifier follows."""

import msgspec

from remit.errors import InvalidInputError
from remit.ids import TrustDomain

METADATA_PATH = "/.well-known/oauth-authorization-server"

_MAX_LISTS = 4096


class Metadata(msgspec.Struct, frozen=True):
    """The endpoints that a verifier fetches; every one is of the issuer's own origin.

    Attributes:
        trust_domain: the only one whose agents the issuer may name.
        bundle_url: the SPIFFE bundle of token keys.
        status_keys_url: the JWK set of status list keys.
        status_lists_url: the status list aggregation (draft-ietf-oauth-status-list section 9).
        events_url: the stream of status events; None where there is none, and the lists are polled.
        verifiers_url: where verifiers of registered providers register; None where they cannot.
    """

    trust_domain: TrustDomain
    bundle_url: str
    status_keys_url: str
    status_lists_url: str
    events_url: str | None = None
    verifiers_url: str | None = None


class _Document(msgspec.Struct, frozen=True):
    issuer: str
    spiffe_trust_domain: str
    spiffe_bundle_endpoint: str
    status_jwks_uri: str
    status_list_aggregation_endpoint: str
    status_events_endpoint: str | None = None
    status_verifiers_endpoint: str | None = None


class _Aggregation(msgspec.Struct, frozen=True):
    status_lists: tuple[str, ...]


def parse_metadata(document: bytes, issuer: str) -> Metadata:
    """Read the metadata that `issuer` serves.

    Raises:
        InvalidInputError: it is another issuer's, lacks an endpoint, or names one of another origin.
    """
    try:
        announced = msgspec.json.decode(document, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"malformed issuer metadata: {error}", code="malformed_metadata") from error
    if announced.issuer != issuer:
        raise InvalidInputError(
            f"the metadata is of {announced.issuer[:128]!r}, not of {issuer!r}",
            code="malformed_metadata",
            hint="use the issuer's public_url exactly",
        )
    metadata = Metadata(
        TrustDomain.parse(announced.spiffe_trust_domain),
        announced.spiffe_bundle_endpoint,
        announced.status_jwks_uri,
        announced.status_list_aggregation_endpoint,
        announced.status_events_endpoint,
        announced.status_verifiers_endpoint,
    )
    optional = [url for url in (metadata.events_url, metadata.verifiers_url) if url is not None]
    for url in (metadata.bundle_url, metadata.status_keys_url, metadata.status_lists_url, *optional):
        _require_own(url, issuer)
    return metadata


def parse_aggregation(document: bytes, issuer: str) -> tuple[str, ...]:
    """The status list URIs that `issuer` announces.

    Raises:
        InvalidInputError: not a status list aggregation, none or too many lists, or one of another origin.
    """
    try:
        uris = msgspec.json.decode(document, type=_Aggregation).status_lists
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"malformed status list aggregation: {error}", code="malformed_metadata") from error
    if not 0 < len(uris) <= _MAX_LISTS:
        raise InvalidInputError(f"the issuer announces {len(uris)} status lists", code="malformed_metadata")
    for uri in uris:
        _require_own(uri, issuer)
    return uris


def _require_own(url: str, issuer: str) -> None:
    """Refuse a URL that is not of the issuer's origin, or that a proxy or a server could read as another."""
    path = url.removeprefix(issuer)
    if (
        path == url
        or not path.startswith("/")
        or not path.isascii()
        or not path.isprintable()
        or set(path) & set(" \\#@")
    ):
        raise InvalidInputError(f"{url[:200]!r} is not of {issuer!r}", code="foreign_url")
