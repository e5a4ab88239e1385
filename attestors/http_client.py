"""The HTTP client that attestors are given: aiohttp, with a resolver that never returns an address out of bounds."""

import socket
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from attestors.fetching import HTTPResponse, Network
from remit.errors import UnavailableError

_TIMEOUT = aiohttp.ClientTimeout(total=3.0, connect=2.0)
_CONNECTIONS = 16


class AiohttpClient:
    """Fetches documents; one session for each network, opened when first needed. Close it with the issuer."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._sessions: dict[Network, aiohttp.ClientSession] = {}

    async def get(self, url: str, *, max_bytes: int, network: Network) -> HTTPResponse:
        """See `attestors.fetching.HTTPClient`."""
        session = self._session(network)
        try:
            async with session.get(url, allow_redirects=False) as response:
                # Asked for as it is and never decompressed: the bound is one of what is held in memory.
                body = await _read(response.content, max_bytes)
                return HTTPResponse(response.status, body)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UnavailableError(f"{url} did not answer as it should ({type(error).__name__})") from error

    async def close(self) -> None:
        """Close every connection."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _session(self, network: Network) -> aiohttp.ClientSession:
        session = self._sessions.get(network)
        if session is None:
            session = self._sessions[network] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS, resolver=_BoundedResolver(network)),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "remit"},
                timeout=_TIMEOUT,
                auto_decompress=False,
                trust_env=False,
            )
        return session


class _BoundedResolver(AbstractResolver):
    """Resolves names, and forgets every address that the network does not admit."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        admitted = [result for result in found if self._network.admits(result["host"])]
        if not admitted:
            raise OSError(f"{host} has no address of the {self._network.value} network")
        return admitted

    async def close(self) -> None:
        await self._resolver.close()


async def _read(content: aiohttp.StreamReader, max_bytes: int) -> bytes:
    body = bytearray()
    while chunk := await content.readany():
        body += chunk
        if len(body) > max_bytes:
            raise ValueError("the document is too large")
    return bytes(body)
