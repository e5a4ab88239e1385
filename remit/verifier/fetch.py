"""Fetching what an issuer publishes: https (http only to this host), no redirect, bounded in size and in time.

A connection is kept between the polls. No validator is sent: a 304 would say nothing about how fresh an answer is.
"""

import http.client
import ipaddress
import ssl
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from remit.errors import ConfigurationError, UnavailableError
from remit.reasons import reason_of
from remit.verifier.addresses import Addresses
from remit.verifier.connection import BoundedConnection

MAX_DOCUMENT_BYTES: Final = 512 * 1024

_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "remit"}
_CHUNK: Final = 65536


def check_origin(url: str) -> str:
    """An issuer's URL: `scheme://host[:port]`, nothing more; https, or http to a loopback host.

    Raises:
        ConfigurationError: it is something else.
    """
    try:
        parts = urlsplit(url)
        clean = parts.port != 0 and url == f"{parts.scheme}://{parts.netloc}" and url.isascii()
    except ValueError:
        clean = False
    if not clean or parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
        raise ConfigurationError(
            f"not the url of an issuer: {url[:128]!r}", hint="write it as https://host[:port], without a trailing slash"
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigurationError(f"plain http to {parts.hostname}", hint="use https; http is for this host only")
    return url


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by name (`localhost`) or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Fetcher:
    """GETs documents of one origin over a connection that it keeps. Not for more than one thread."""

    def __init__(self, origin: str, *, tls: ssl.SSLContext | None = None) -> None:
        """Fetch from `origin`, which `check_origin` accepted; `tls` replaces the system's trust."""
        parts = urlsplit(origin)
        self._origin = origin
        self._host = parts.hostname or ""
        self._tls = (tls or ssl.create_default_context()) if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._addresses = Addresses(self._host, self._port)
        self._connection: BoundedConnection | None = None

    def get(self, url: str, *, seconds: float, max_bytes: int = MAX_DOCUMENT_BYTES) -> bytes:
        """The body of `url`, which must be of this origin.

        Args:
            url: what to fetch.
            seconds: how long the whole exchange may take.
            max_bytes: the largest body accepted.

        Raises:
            UnavailableError: no complete answer with status 200 in that time and size.
        """
        if not url.startswith(self._origin + "/"):
            raise UnavailableError(f"{url[:200]!r} is not of {self._origin}", code="foreign_url")
        path = url[len(self._origin) :]
        deadline = monotonic() + seconds
        kept = self._connection is not None
        try:
            return self._exchange(path, deadline, max_bytes)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            if not kept:  # a connection that was kept may have been closed meanwhile: ask once more on a new one
                raise self._unavailable(url, error) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unavailable(url, error) from error
        try:
            return self._exchange(path, deadline, max_bytes)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unavailable(url, error) from error

    def close(self) -> None:
        """Close the connection; the next `get` opens one again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()

    def _exchange(self, path: str, deadline: float, max_bytes: int) -> bytes:
        connection = self._connection
        if connection is None:
            connection = self._connection = BoundedConnection(self._host, self._port, self._addresses, self._tls)
        connection.deadline = deadline
        try:
            connection.request("GET", path, headers=_HEADERS)
            body = _read(connection.getresponse(), max_bytes)
        except BaseException as error:
            if isinstance(error, TimeoutError) and connection.address is not None:
                self._addresses.failed(connection.address)
            self.close()
            raise
        if connection.address is not None:
            self._addresses.answered(connection.address)
        if connection.sock is None:  # the issuer keeps no connection
            self.close()
        return body

    def _unavailable(self, url: str, error: Exception) -> UnavailableError:
        return UnavailableError(f"cannot fetch {url}: {reason_of(error)}")


def _read(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    if response.status != http.client.OK:
        raise http.client.HTTPException(f"it answered {response.status}")
    if (response.length or 0) > max_bytes:
        raise http.client.HTTPException(f"it is larger than {max_bytes} bytes")
    body = bytearray()
    while chunk := response.read(_CHUNK):
        body += chunk
        if len(body) > max_bytes:
            raise http.client.HTTPException(f"it is larger than {max_bytes} bytes")
    if response.length:
        raise http.client.IncompleteRead(bytes(body), response.length)
    return bytes(body)
