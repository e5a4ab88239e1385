"""The HTTP client of attestors, against a real server: networks, sizes, redirects, cookies."""

from collections.abc import AsyncIterator

import pytest

from attestors.fetching import Network
from attestors.http_client import AiohttpClient
from remit.errors import UnavailableError
from tests.fakes.oidc_provider import OIDCProvider, serve


@pytest.fixture
async def provider() -> AsyncIterator[OIDCProvider]:
    async with serve(OIDCProvider()) as running:
        running.documents["/x"] = b"x" * 1000
        yield running


@pytest.fixture
async def http() -> AsyncIterator[AiohttpClient]:
    async with AiohttpClient() as client:
        yield client


def _by_name(provider: OIDCProvider) -> str:
    return provider.url.replace("127.0.0.1", "localhost") + "/x"


async def test_a_document_is_read_whole(provider: OIDCProvider, http: AiohttpClient) -> None:
    """Up to the limit, by address or by a name that resolves to the network that was asked for."""
    for url in (f"{provider.url}/x", _by_name(provider)):
        assert (await http.get(url, max_bytes=1000, network=Network.LOOPBACK)).body == b"x" * 1000


@pytest.mark.parametrize("network", [Network.PUBLIC, Network.PRIVATE])
async def test_a_name_that_resolves_elsewhere_is_not_connected_to(
    provider: OIDCProvider, http: AiohttpClient, network: Network
) -> None:
    """What the name resolves to decides, when the connection is made; nothing reaches the server."""
    with pytest.raises(UnavailableError):
        await http.get(_by_name(provider), max_bytes=1000, network=network)
    assert provider.requests == []


async def test_a_large_document_is_not_read(provider: OIDCProvider, http: AiohttpClient) -> None:
    """One byte over the limit is an error."""
    with pytest.raises(UnavailableError):
        await http.get(f"{provider.url}/x", max_bytes=999, network=Network.LOOPBACK)


async def test_a_redirect_is_an_answer(provider: OIDCProvider, http: AiohttpClient) -> None:
    """It is shown, not followed."""
    provider.redirects["/y"] = "/x"
    assert (await http.get(f"{provider.url}/y", max_bytes=1000, network=Network.LOOPBACK)).status == 302
    assert provider.requests == ["/y"]


async def test_nobody_there(http: AiohttpClient) -> None:
    """A refused connection is our error, in time."""
    with pytest.raises(UnavailableError):
        await http.get("http://127.0.0.1:1/x", max_bytes=1000, network=Network.LOOPBACK)
