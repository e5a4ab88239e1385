"""HTTP to the issuer: writes are repeated safely, lists are read page by page."""

import ipaddress
import uuid
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self

import httpx
import msgspec

from cli import credentials
from cli.problems import JSONObject, parse_answer
from remit.errors import InvalidInputError, UnavailableError

ADMIN = "/v1/admin"
_TIMEOUT_SECONDS = 15.0
_ATTEMPTS = 3
_PAGE = 500


class IssuerClient:
    """One connection to one issuer, with the operator's credential if there is one."""

    def __init__(self, url: str, token: str | None = None, *, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        """Prepare to talk to the issuer at `url`.

        Raises:
            InvalidInputError: `url` is not an issuer's, or would carry the credential in the clear.
        """
        self.url = parse_issuer_url(url)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=timeout_seconds,
            follow_redirects=False,
            trust_env=not _is_loopback(httpx.URL(self.url).host),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def get(self, path: str, **params: str | int | None) -> JSONObject:
        """Read one JSON object; parameters that are None are left out."""
        return self._call("GET", path, params=params)

    def post(self, path: str, body: Mapping[str, object]) -> JSONObject:
        """Write; repeated with the same Idempotency-Key when the answer got lost. Fields that are None are left out."""
        given = {name: value for name, value in body.items() if value is not None}
        return self._call("POST", path, body=msgspec.json.encode(given), idempotency_key=str(uuid.uuid4()))

    def delete(self, path: str) -> JSONObject:
        """Remove the thing at `path`."""
        return self._call("DELETE", path, idempotency_key=str(uuid.uuid4()))

    def pages(self, path: str, *, limit: int | None = None, **params: str | int | None) -> Iterator[JSONObject]:
        """Every item of a list, fetched page by page; at most `limit` of them."""
        after: object = None
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(_PAGE, left)
            page = self.get(path, limit=size, after=str(after) if after is not None else None, **params)
            items = _objects(page.get("items"))[:left]
            yield from items
            left = None if left is None else left - len(items)
            after = page.get("next")
            if after is None or not items:
                return

    def raw(self, path: str) -> bytes:
        """The body of a public document, as it is."""
        response = self._send(self._http.build_request("GET", path))
        if not response.is_success:
            self._parsed(response)
        return response.content

    def headers(self, path: str) -> httpx.Headers:
        """The headers of an answer, whatever its status; for diagnosis."""
        return self._send(self._http.build_request("GET", path)).headers

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int | None] | None = None,
        body: bytes | None = None,
        idempotency_key: str | None = None,
    ) -> JSONObject:
        headers = {"idempotency-key": idempotency_key} if idempotency_key else {}
        if body is not None:
            headers["content-type"] = "application/json"
        query = {name: value for name, value in (params or {}).items() if value is not None}
        request = self._http.build_request(method, path, params=query or None, content=body, headers=headers)
        return self._parsed(self._send(request))

    def _send(self, request: httpx.Request) -> httpx.Response:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._http.send(request)
            except httpx.TransportError as error:
                if attempt == _ATTEMPTS or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                    raise self._unreachable(error) from None
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _parsed(self, response: httpx.Response) -> JSONObject:
        return parse_answer(response.status_code, response.content, f"the issuer at {self.url}")

    def _unreachable(self, error: httpx.TransportError) -> UnavailableError:
        why = "no answer in time" if isinstance(error, httpx.TimeoutException) else str(error).lower()
        return UnavailableError(
            f"cannot reach the issuer at {self.url}: {why.strip().rstrip('.')}",
            hint="is it running, and is REMIT_ISSUER right? `remit doctor` looks closer",
        )


def connect() -> IssuerClient:
    """A client that acts as the operator whose credential is configured.

    Raises:
        RemitError: there is no usable credential (cli.credentials says where it is looked for).
    """
    found = credentials.load()
    return IssuerClient(found.issuer, found.token)


def parse_issuer_url(url: str) -> str:
    """The issuer's URL without a trailing slash.

    Raises:
        InvalidInputError: not an http(s) URL, or plain http to a host that is not this machine.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo or parsed.query or parsed.fragment:
        raise InvalidInputError(
            f"{url!r} is not the URL of an issuer", hint="it looks like https://issuer.example.org, as in its tokens"
        )
    if parsed.scheme == "http" and not _is_loopback(parsed.host):
        raise InvalidInputError(
            f"refusing plain http to {parsed.host}: the credential would cross the network in the clear",
            hint="use the issuer's https URL",
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _objects(items: object) -> list[JSONObject]:
    try:
        return msgspec.convert(items, type=list[JSONObject])
    except msgspec.ValidationError:
        raise UnavailableError(
            "the issuer answered a list in a form that this version does not know",
            hint="do the versions of `remit` and of the issuer agree?",
        ) from None
