"""How attestors fetch a public document: HTTPS, from a host that the configuration allows, bounded, no redirects.

A discovery document is somebody else's text. Where its `jwks_uri` points is checked before anything is fetched, so that it
cannot make the issuer call a host of its choice (SSRF): the host must be the configured issuer's own or listed beside it.
Names are resolved once, by the client that connects, and an address outside the `Network` that was asked for is never
connected to, so a name that resolves to a private address (DNS rebinding) leads nowhere.
"""

import enum
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from attestors.errors import EvidenceRefusedError
from remit.errors import ConfigurationError, UnavailableError

MAX_DOCUMENT_BYTES = 512 * 1024


class Network(enum.Enum):
    """Which addresses may be connected to."""

    PUBLIC = "public"
    """Globally routable ones only."""
    PRIVATE = "private"
    """Also private ones (in-cluster issuers); never loopback, link-local (cloud metadata), multicast."""
    LOOPBACK = "loopback"
    """Loopback only, for development and tests."""

    def admits(self, address: str) -> bool:
        """Whether an IP address, as text, may be connected to."""
        parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        if self is Network.LOOPBACK:
            return parsed.is_loopback
        if parsed.is_loopback or parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified:
            return False
        return parsed.is_global or self is Network.PRIVATE


@dataclass(frozen=True, slots=True)
class HTTPResponse:
    """An answer, read whole."""

    status: int
    body: bytes


class HTTPClient(Protocol):
    """What attestors need of HTTP."""

    async def get(self, url: str, *, max_bytes: int, network: Network) -> HTTPResponse:
        """GET `url` without following redirects, sending no cookies and no credentials.

        Raises:
            UnavailableError: no answer, not in time, longer than `max_bytes`, or at an address outside `network`.
        """


@dataclass(frozen=True, slots=True)
class Site:
    """Where documents of one issuer may be fetched from.

    Attributes:
        hosts: the host names (with port, if one is written) that are allowed; `host_of` gives them.
        network: which addresses they may have; with `LOOPBACK` plain http is allowed, and only then.
    """

    hosts: frozenset[str]
    network: Network

    def check(self, url: str) -> None:
        """Refuse a URL that is not of this site.

        Raises:
            ConfigurationError: not an https URL, another host, or an address that is not allowed.
        """
        parts = _parts(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and self.network is Network.LOOPBACK):
            raise ConfigurationError(
                f"{url!r} is not https", hint="plain http is for loopback, and has to be allowed by name"
            )
        if parts.netloc.lower() not in self.hosts:
            raise ConfigurationError(
                f"the host of {url!r} is not allowed", hint="list it if the issuer is known to use it"
            )
        if not _address_admitted(parts.hostname or "", self.network):
            raise ConfigurationError(f"{url!r} is not an address of the {self.network.value} network")


def host_of(url: str) -> str:
    """The host of a configured URL, with the port if one is written.

    Raises:
        ConfigurationError: not an absolute http(s) URL without user, query and fragment.
    """
    return _parts(url).netloc.lower()


async def fetch(client: HTTPClient, site: Site, url: str) -> bytes:
    """Fetch one document of `site`.

    Raises:
        EvidenceRefusedError: code `evidence_unavailable`: it could not be had, so the evidence cannot be judged.
    """
    try:
        site.check(url)
        response = await client.get(url, max_bytes=MAX_DOCUMENT_BYTES, network=site.network)
    except (ConfigurationError, UnavailableError) as error:
        raise EvidenceRefusedError(error.detail, code="evidence_unavailable", hint=error.hint) from error
    if response.status != 200:
        raise EvidenceRefusedError(
            f"{url} answered with status {response.status}",
            code="evidence_unavailable",
            hint="redirects are not followed" if 300 <= response.status < 400 else None,
        )
    return response.body


def site_of(url: str, more_hosts: Collection[str], network: Network) -> Site:
    """The site of a configured URL, checked.

    Raises:
        ConfigurationError: the URL is not one that may be fetched.
    """
    site = Site(frozenset({host_of(url), *(host.lower() for host in more_hosts)}), network)
    site.check(url)
    return site


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url and parts.port != 0
    except ValueError:
        plain = False
    if not plain or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"{url!r} is not an http(s) URL")
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ConfigurationError(f"{url!r} has a user, a query or a fragment")
    return parts


def _address_admitted(host: str, network: Network) -> bool:
    """A literal address is judged here; a name is judged by what it resolves to, when it does."""
    try:
        return network.admits(host)
    except ValueError:
        return network is not Network.LOOPBACK or host == "localhost"
