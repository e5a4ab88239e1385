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

from remit.errors import ConfigurationError, InvalidInputError, UnavailableError
from remit.reasons import reason_of
from remit.verifier.addresses import Addresses
from remit.verifier.answer import Answer
from remit.verifier.connection import BoundedConnection

MAX_DOCUMENT_BYTES: Final = 512 * 1024

_HEADERS: Final = "Accept-Encoding: identity\r\nCache-Control: no-cache\r\nUser-Agent: remit\r\n"
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
        path: with the query; of a URL that was checked, printable ASCII without spaces.
        headers: beyond those that every request has; without line ends.
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
        self._addresses = Addresses(self._host, parts.port or (443 if self._tls else 80))
        self._head = f"Host: {parts.netloc}\r\n{_HEADERS}"
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
        except (BrokenPipeError, ConnectionResetError) as error:
            if not kept:  # a connection that was kept may have been closed meanwhile: ask once more on a new one
                raise self._unavailable(request, error) from error
        except (OSError, InvalidInputError) as error:
            raise self._unavailable(request, error) from error
        try:
            return self._exchange(request, deadline, max_bytes)
        except (OSError, InvalidInputError) as error:
            raise self._unavailable(request, error) from error

    def begin(self, request: Request, *, seconds: float) -> BoundedConnection:
        """Send `request` on a connection of its own, whose answer is left to the caller, as is closing it.

        Raises:
            UnavailableError: it could not be sent in time.
        """
        connection = BoundedConnection(self._host, self._addresses, self._tls)
        connection.deadline = monotonic() + seconds
        try:
            connection.send(self._encode(request))
        except OSError as error:
            connection.close()
            raise self._unavailable(request, error) from error
        return connection

    def path_of(self, url: str) -> str:
        """The path and query of `url`.

        Raises:
            UnavailableError: it is not of this origin (code `foreign_url`).
        """
        if not url.startswith(self._origin + "/"):
            raise UnavailableError(f"{url[:200]!r} is not of {self._origin}", code="foreign_url")
        return url[len(self._origin) :]

    def close(self) -> None:
        """Close the connection; the next request opens one again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _exchange(self, request: Request, deadline: float, max_bytes: int) -> bytes:
        connection = self._connection
        if connection is None:
            connection = self._connection = BoundedConnection(self._host, self._addresses, self._tls)
        connection.deadline = deadline
        try:
            connection.send(self._encode(request))
            answer = Answer()
            body = _receive(connection, answer, _EXPECTED.get(request.method, _DONE), max_bytes)
        except BaseException as error:
            if isinstance(error, TimeoutError) and connection.address is not None:
                self._addresses.failed(connection.address)
            self.close()
            raise
        if connection.address is not None:
            self._addresses.answered(connection.address)
        if not answer.keeps_connection:
            self.close()
        return body

    def _encode(self, request: Request) -> bytes:
        """The request as one piece: its head alone would wake the other side for nothing."""
        method, path, headers, body = request
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{method} {path} HTTP/1.1\r\n{self._head}{fields}{length}\r\n".encode("ascii") + (body or b"")

    def _unavailable(self, request: Request, error: Exception) -> UnavailableError:
        doing = "fetch" if request.method == "GET" else request.method.lower()
        why = error.detail if isinstance(error, InvalidInputError) else reason_of(error)
        detail = f"cannot {doing} {self._origin}{request.path}: {why}"
        if isinstance(error, _OtherStatusError):
            return AnswerError(detail, error.status, error.retry_after)
        return UnavailableError(detail)


def parse_retry_after(value: str | None) -> int:
    """The seconds of a `Retry-After` header, at most an hour; 0 for none, or for a date."""
    return min(int(value), _MAX_RETRY_AFTER) if value and value.isascii() and value.isdigit() and len(value) < 10 else 0


class _OtherStatusError(InvalidInputError):
    def __init__(self, status: int, retry_after: int) -> None:
        super().__init__(f"it answered {status}")
        self.status = status
        self.retry_after = retry_after


def _receive(connection: BoundedConnection, answer: Answer, expected: AbstractSet[int], max_bytes: int) -> bytes:
    body = bytearray()
    while not answer.ended:
        received = connection.receive()
        if received:
            body += answer.feed(received)
        elif answer.is_empty:
            raise ConnectionResetError("the connection was closed without an answer")
        else:
            answer.close()
        if answer.status and answer.status not in expected:
            raise _OtherStatusError(answer.status, parse_retry_after(answer.headers.get("retry-after")))
        if len(body) + answer.left > max_bytes:
            raise InvalidInputError(f"it is larger than {max_bytes} bytes")
    return bytes(body)
