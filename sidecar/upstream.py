"""The issuer over HTTP: requests with proof of possession (RFC 9449), its nonces, its problems (RFC 9457).

One connection pool, no redirects, no proxies from the environment, bounded answers. An answer is the body's bytes, an
`IssuerRefusedError` (the issuer said no) or an `UnavailableError` (it did not say anything useful).
"""

import ssl
import time
from collections.abc import Mapping
from typing import Self

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from remit.dpop import create_proof
from remit.errors import UnavailableError
from sidecar.backoff import Circuit
from sidecar.errors import IssuerRefusedError

_TIMEOUT = aiohttp.ClientTimeout(total=10.0, sock_connect=3.0)
_MAX_ANSWER_BYTES = 8 << 20
_MAX_CONNECTIONS = 16
_NONCE_REFUSED = "use_dpop_nonce"
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"


class Problem(Struct, frozen=True):
    """What is read of a problem document; other members are ignored, as RFC 9457 section 3.2 asks.

    Attributes:
        code: stable, the issuer's.
        detail: what was wrong.
        hint: what to do, or None.
    """

    code: str = "refused"
    detail: str = "the issuer gave no reason"
    hint: str | None = None


class _Refusal(Struct, frozen=True):
    """A problem document, or an error in OAuth's shape (RFC 6749 section 5.2), which ours adds `code` and `hint` to."""

    code: str | None = None
    detail: str | None = None
    hint: str | None = None
    error: str | None = None
    error_description: str | None = None


_REFUSAL = msgspec.json.Decoder(_Refusal)


class IssuerClient:
    """Talks to one issuer with one key. Enter it to open its connections."""

    def __init__(self, issuer: str, key: ec.EllipticCurvePrivateKey, *, tls: ssl.SSLContext | None = None) -> None:
        """`issuer` is its public URL, without a slash at the end; proofs name it as `htu`."""
        self.issuer = issuer
        self.circuit = Circuit()
        self._key = key
        self._tls = tls
        self._nonce: str | None = None
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=_MAX_CONNECTIONS, ssl=self._tls or True)
        self._http = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._http is not None:
            await self._http.close()

    @property
    def nonce(self) -> str | None:
        """The nonce that the issuer gave last, or None before its first answer to a proof."""
        return self._nonce

    async def get(self, path: str) -> bytes:
        """GET a public document.

        Raises:
            UnavailableError, IssuerRefusedError: see the module.
        """
        return await self._send("GET", path, None, {})

    async def post(self, path: str, body: bytes, session: str | None = None) -> bytes:
        """POST JSON with a fresh proof, bound to the body, and to the session where there is one.

        Raises:
            UnavailableError, IssuerRefusedError: see the module.
        """
        return await self._post(path, body, _JSON, session)

    async def post_form(self, path: str, form: bytes) -> bytes:
        """POST a form with a fresh proof that is bound to it; errors as `post`."""
        return await self._post(path, form, _FORM, None)

    async def _post(self, path: str, body: bytes, media_type: str, session: str | None) -> bytes:
        try:
            return await self._send("POST", path, body, self._headers(path, body, media_type, session))
        except IssuerRefusedError as error:
            if error.code != _NONCE_REFUSED or self._nonce is None:
                raise
        # RFC 9449 section 8: the answer carried the nonce to use; one more try, and no loop.
        return await self._send("POST", path, body, self._headers(path, body, media_type, session))

    def _headers(self, path: str, body: bytes, media_type: str, session: str | None) -> dict[str, str]:
        proof = create_proof(
            self._key,
            "POST",
            self.issuer + path,
            now=int(time.time()),
            access_token=session,
            nonce=self._nonce,
            body=body,
        )
        headers = {"DPoP": proof, "Content-Type": media_type}
        if session is not None:
            headers["Authorization"] = f"DPoP {session}"
        return headers

    async def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        if self._http is None:
            raise UnavailableError("the connection to the issuer is closed", code="issuer_unavailable")
        self.circuit.check()
        try:
            async with self._http.request(
                method, self.issuer + path, data=body, headers=headers, allow_redirects=False
            ) as response:
                answer = await _read_bounded(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.circuit.failed()
            raise UnavailableError(
                f"the issuer did not answer {path} ({type(error).__name__})",
                code="issuer_unavailable",
                hint=f"is {self.issuer} running and reachable from here?",
            ) from error
        self._nonce = response.headers.get("DPoP-Nonce", self._nonce)
        return self._judge(path, response.status, answer)

    def _judge(self, path: str, status: int, answer: bytes) -> bytes:
        if 200 <= status < 300:
            self.circuit.succeeded()
            return answer
        if status >= 500 or status < 400 or status == 429:
            self.circuit.failed()
            raise UnavailableError(f"the issuer answered {path} with status {status}", code="issuer_unavailable")
        self.circuit.succeeded()
        problem = _problem_of(answer)
        raise IssuerRefusedError(problem.detail, code=problem.code, status=status, hint=problem.hint)


def _problem_of(answer: bytes) -> Problem:
    """A document that does not parse is a refusal without a reason."""
    try:
        said = _REFUSAL.decode(answer)
    except msgspec.MsgspecError:
        return Problem()
    nothing = Problem()
    code, detail = said.code or said.error or nothing.code, said.detail or said.error_description or nothing.detail
    return Problem(code, detail, said.hint)


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    answer = bytearray()
    async for chunk in response.content.iter_any():
        answer += chunk
        if len(answer) > _MAX_ANSWER_BYTES:
            raise aiohttp.ClientPayloadError("the answer is too large")
    return bytes(answer)
