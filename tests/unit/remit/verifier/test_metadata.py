"""An issuer announces only what is its own."""

import json

import pytest

from remit.errors import ConfigurationError, InvalidInputError
from remit.verifier.fetch import check_origin
from remit.verifier.metadata import parse_aggregation, parse_metadata

ISSUER = "https://issuer.example.org"
GOOD = {
    "issuer": ISSUER,
    "spiffe_trust_domain": "example.org",
    "spiffe_bundle_endpoint": f"{ISSUER}/bundle",
    "status_jwks_uri": f"{ISSUER}/status/keys",
    "status_list_aggregation_endpoint": f"{ISSUER}/statuslists",
}


def test_good_metadata_is_read():
    """The endpoints and the trust domain."""
    metadata = parse_metadata(json.dumps(GOOD | {"more": 1}).encode(), ISSUER)
    assert str(metadata.trust_domain) == "example.org"
    assert metadata.status_lists_url == f"{ISSUER}/statuslists"
    assert (metadata.events_url, metadata.verifiers_url) == (None, None)


def test_status_events_and_registration_are_optional():
    """An issuer that has them says where; one that has not is polled."""
    more = {
        "status_events_endpoint": f"{ISSUER}/status/events",
        "status_verifiers_endpoint": f"{ISSUER}/status/verifiers",
    }
    metadata = parse_metadata(json.dumps(GOOD | more).encode(), ISSUER)
    assert (metadata.events_url, metadata.verifiers_url) == tuple(more.values())


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://issuer.example.org/"},
        {"issuer": "https://evil.example"},
        {"spiffe_trust_domain": "Example.org"},
        {"spiffe_trust_domain": ""},
        {"spiffe_bundle_endpoint": "https://evil.example/bundle"},
        {"spiffe_bundle_endpoint": "https://issuer.example.org.evil.example/bundle"},
        {"spiffe_bundle_endpoint": "https://issuer.example.org@evil.example/bundle"},
        {"spiffe_bundle_endpoint": "https://issuer.example.org:8443/bundle"},
        {"spiffe_bundle_endpoint": "http://issuer.example.org/bundle"},
        {"spiffe_bundle_endpoint": ISSUER},
        {"spiffe_bundle_endpoint": f"{ISSUER}/bundle\r\nHost: evil.example"},
        {"status_jwks_uri": "/status/keys"},
        {"status_list_aggregation_endpoint": "file:///etc/passwd"},
        {"status_list_aggregation_endpoint": None},
        {"status_events_endpoint": "https://evil.example/status/events"},
        {"status_verifiers_endpoint": "https://evil.example/status/verifiers"},
        {"status_verifiers_endpoint": 1},
    ],
)
def test_metadata_of_another_or_leading_elsewhere_is_refused(change):
    """No URL leaves the issuer's origin, and the issuer is exactly the configured one."""
    with pytest.raises(InvalidInputError):
        parse_metadata(json.dumps(GOOD | change).encode(), ISSUER)


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"issuer":1}', b"\xff"])
def test_what_is_no_metadata_is_refused(document):
    """Malformed metadata is an error with a reason."""
    with pytest.raises(InvalidInputError):
        parse_metadata(document, ISSUER)


@pytest.mark.parametrize(
    "uris", [[], ["https://evil.example/1"], [f"{ISSUER}/statuslists/{n}" for n in range(5000)], "x", [1], None]
)
def test_status_lists_are_the_issuers_own_and_at_least_one(uris):
    """No list, too many or a foreign one is refused: a verifier never fetches where it was not told to."""
    with pytest.raises(InvalidInputError):
        parse_aggregation(json.dumps({"status_lists": uris}).encode(), ISSUER)


@pytest.mark.parametrize(
    "url",
    [
        "https://issuer.example.org",
        "https://issuer.example.org:8443",
        "http://localhost:8750",
        "http://127.0.0.1:1",
        "http://[::1]:1",
    ],
)
def test_the_url_of_an_issuer(url):
    """https, or plain http to this host."""
    assert check_origin(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "issuer.example.org",
        "ftp://issuer.example.org",
        "http://issuer.example.org",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://10.0.0.1",
        "https://issuer.example.org/",
        "https://issuer.example.org/path",
        "https://issuer.example.org?x",
        "https://issuer.example.org#x",
        "https://user@issuer.example.org",
        "https://user:password@issuer.example.org",
        "https://",
        "https://:8443",
        "https://issuer.example.org:port",
        "https://issuer.example.org:99999",
        "https://issuer.example.org\n",
        "https://issuer.exämple.org",
        "HTTPS://issuer.example.org",
    ],
)
def test_another_url_is_no_issuer(url):
    """Plain http elsewhere, paths, credentials and odd spellings are refused before anything is fetched."""
    with pytest.raises(ConfigurationError):
        check_origin(url)
