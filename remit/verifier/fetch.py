"""Asking an issuer: https (http only to this host), no redirect, bounded in size and in time.

A connection is kept between the requests. No validator is sent: a 304 would say nothing about how fresh an answer is.
"""

import http.client
import ipaddress
import ssl
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from time import monotonic
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from remit.errors import ConfigurationError, UnavailableError
from remit.reasons import reason_of
from remit.verifier.addresses import Addresses
from remit.verifier.connection import BoundedConnection

MAX_DOCUMENT_BYTES: Final = 512 * 1024

_HEADERS: Final = {"Accept-Encoding": "identity", "Cache-Control": "no-cache", "User-Agent": "remit"}
_CHUNK: Final = 65536
_DONE: Final = frozenset({http.client.OK, http.client.CREATED, http.client.NO_CONTENT})
_EXPECTED: Final = {"GET": frozenset({http.client.OK})}
_MAX_RETRY_AFTER: Final = 3600
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


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


class AnswerError(UnavailableError):
    """The issuer answered, but with another status than was hoped for.

    Attributes:
        status: the HTTP status.
        retry_after: seconds after which the issuer wants to be asked again; 0 where it does not say.
    """

    def __init__(self, detail: str, status: int, retry_after: int) -> None:
        super().__init__(detail)
        self.status = status
        self.retry_after = retry_after


class Request(NamedTuple):
    """One request of the issuer's origin; sending it twice does what sending it once does.

    Attributes:
        method: such as `GET`.
        path: with the query.
        headers: beyond those that every request has.
        body: JSON, or None.
    """

    method: str
    path: str
    headers: Mapping[str, str] = _NO_HEADERS
    body: bytes | None = None


class Fetcher:
    """Makes requests of one origin over a connection that it keeps. Not for more than one thread."""

    def __init__(self, origin: str, *, tls: ssl.SSLContext | None = None) -> None:
        """Ask `origin`, which `check_origin` accepted; `tls` replaces the system's trust."""
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
            UnavailableError: no complete answer in that time and size; an `AnswerError` where the status is not 200.
        """
        return self.send(Request("GET", self.path_of(url)), seconds=seconds, max_bytes=max_bytes)

    def send(self, request: Request, *, seconds: float, max_bytes: int = MAX_DOCUMENT_BYTES) -> bytes:
        """The body of the answer to `request`; the arguments and errors of `get`. What is no GET may be answered 201 or 204."""
        deadline = monotonic() + seconds
        kept = self._connection is not None
        try:
            return self._exchange(request, deadline, max_bytes)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            if not kept:  # a connection that was kept may have been closed meanwhile: ask once more on a new one
                raise self._unavailable(request, error) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unavailable(request, error) from error
        try:
            return self._exchange(request, deadline, max_bytes)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unavailable(request, error) from error

    def path_of(self, url: str) -> str:
        """The path and query of `url`.

        Raises:
            UnavailableError: it is not of this origin (code `foreign_url`).
        """
        if not url.startswith(self._origin + "/"):
            raise UnavailableError(f"{url[:200]!r} is not of {self._origin}", code="foreign_url")
        return url[len(self._origin) :]

    def begin(self, request: Request, *, seconds: float) -> BoundedConnection:
        """Send `request` on a connection of its own, whose answer is left to the caller, as is closing it.

        Raises:
            UnavailableError: it could not be sent in time.
        """
        connection = self._connect(monotonic() + seconds)
        try:
            connection.request(request.method, request.path, request.body, {**_HEADERS, **request.headers})
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.drop()
            raise self._unavailable(request, error) from error
        return connection

    def close(self) -> None:
        """Close the connection; the next request opens one again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()

    def _exchange(self, request: Request, deadline: float, max_bytes: int) -> bytes:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect(deadline)
        connection.deadline = deadline
        method, path, headers, body = request
        try:
            connection.request(method, path, body, {**_HEADERS, **headers})
            answer = _read(connection.getresponse(), _EXPECTED.get(method, _DONE), max_bytes)
        except BaseException as error:
            if isinstance(error, TimeoutError) and connection.address is not None:
                self._addresses.failed(connection.address)
            self.close()
            raise
        if connection.address is not None:
            self._addresses.answered(connection.address)
        if connection.sock is None:  # the issuer keeps no connection
            self.close()
        return answer

    def _connect(self, deadline: float) -> BoundedConnection:
        connection = BoundedConnection(self._host, self._port, self._addresses, self._tls)
        connection.deadline = deadline
        return connection

    def _unavailable(self, request: Request, error: Exception) -> UnavailableError:
        doing = "fetch" if request.method == "GET" else request.method.lower()
        detail = f"cannot {doing} {self._origin}{request.path}: {reason_of(error)}"
        if isinstance(error, _OtherStatusError):
            return AnswerError(detail, error.status, error.retry_after)
        return UnavailableError(detail)


def parse_retry_after(value: str | None) -> int:
    """The seconds of a `Retry-After` header, at most an hour; 0 for none, or for a date."""
    return min(int(value), _MAX_RETRY_AFTER) if value and value.isascii() and value.isdigit() and len(value) < 10 else 0


class _OtherStatusError(http.client.HTTPException):
    def __init__(self, status: int, retry_after: int) -> None:
        super().__init__(f"it answered {status}")
        self.status = status
        self.retry_after = retry_after


def _read(response: http.client.HTTPResponse, expected: AbstractSet[int], max_bytes: int) -> bytes:
    if response.status not in expected:
        raise _OtherStatusError(response.status, parse_retry_after(response.getheader("Retry-After")))
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
