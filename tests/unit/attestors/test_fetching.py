"""Where attestors may fetch from: the rule against being sent elsewhere."""

import pytest

from attestors.errors import EvidenceRefusedError
from attestors.fetching import HTTPResponse, Network, Site, fetch, site_of
from remit.errors import ConfigurationError, UnavailableError

ISSUER = "https://id.example.org/tenant"


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.org/keys",
        "https://id.example.org.evil.example/keys",
        "https://evil.example/keys",
        "https://id.example.org:8443/keys",
        "https://id.example.org@evil.example/keys",
        "https://user@id.example.org/keys",
        "https://evil.example#@id.example.org/",
        "https://evil.example\\@id.example.org/",
        "https://id.example.org/keys?x=1",
        "https://id.example.org/ keys",
        "https://id.example.org/\r\nkeys",
        "https://id.example.org:0/keys",
        "https://id.example.org:port/keys",
        "https://[::1/keys",
        "//id.example.org/keys",
        "file:///etc/passwd",
        "ftp://id.example.org/keys",
        "https:///keys",
        "",
        "https://\u0131d.example.org/keys",
    ],
)
def test_a_url_of_elsewhere_is_refused(url: str) -> None:
    """Another host, port, scheme, user or spelling is not the configured site."""
    with pytest.raises(ConfigurationError):
        site_of(ISSUER, (), Network.PUBLIC).check(url)


def test_listed_hosts_are_allowed() -> None:
    """A host that the configuration lists beside the issuer's own is part of the site, whatever its case."""
    site = site_of(ISSUER, ("Keys.Example.org",), Network.PUBLIC)
    site.check("https://keys.example.org/v1")
    site.check("https://ID.example.org/keys")


@pytest.mark.parametrize(
    ("address", "networks"),
    [
        ("8.8.8.8", {Network.PUBLIC, Network.PRIVATE}),
        ("2606:4700::1111", {Network.PUBLIC, Network.PRIVATE}),
        ("10.0.0.1", {Network.PRIVATE}),
        ("192.168.1.1", {Network.PRIVATE}),
        ("100.64.0.1", {Network.PRIVATE}),
        ("fd00::1", {Network.PRIVATE}),
        ("::ffff:10.0.0.1", {Network.PRIVATE}),
        ("127.0.0.1", {Network.LOOPBACK}),
        ("127.8.8.8", {Network.LOOPBACK}),
        ("::1", {Network.LOOPBACK}),
        ("::ffff:127.0.0.1", {Network.LOOPBACK}),
        ("169.254.169.254", set()),
        ("fe80::1%eth0", set()),
        ("0.0.0.0", set()),
        ("224.0.0.1", set()),
        ("::", set()),
    ],
)
def test_addresses_belong_to_networks(address: str, networks: set[Network]) -> None:
    """Cloud metadata, multicast and the unspecified address belong to none."""
    assert {network for network in Network if network.admits(address)} == networks


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/x", "https://[::1]/x", "https://169.254.169.254/x", "https://10.0.0.1/x"]
)
def test_a_literal_private_address_is_refused_at_start(url: str) -> None:
    """A configured URL with such an address needs to say so."""
    with pytest.raises(ConfigurationError):
        site_of(url, (), Network.PUBLIC)


class _Answers:
    def __init__(self, answer: HTTPResponse | Exception) -> None:
        self.answer = answer

    async def get(self, url: str, *, max_bytes: int, network: Network) -> HTTPResponse:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


SITE = Site(frozenset({"id.example.org"}), Network.PUBLIC)


@pytest.mark.parametrize(
    "answer", [HTTPResponse(302, b""), HTTPResponse(404, b"{}"), HTTPResponse(204, b""), UnavailableError("too large")]
)
async def test_anything_but_a_plain_answer_is_unavailable(answer: HTTPResponse | Exception) -> None:
    """Redirects, errors and silence are one thing: the evidence cannot be judged."""
    with pytest.raises(EvidenceRefusedError) as refused:
        await fetch(_Answers(answer), SITE, "https://id.example.org/keys")
    assert refused.value.code == "evidence_unavailable"
