"""What every provider's middleware shares: reading a request's credential, and refusing in the words of HTTP.

RFC 6750 (Bearer), RFC 9449 sections 7 to 9 (DPoP), RFC 9457 (problem documents). No framework is known here.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from time import time
from typing import Final, Protocol

import msgspec

from remit.credential import Credential
from remit.dpop import NonceCheck
from remit.errors import (
    ConfigurationError,
    ProofRefusedError,
    RefusedError,
    ScopeRefusedError,
    StaleError,
)
from remit.jose import ALGORITHMS
from remit.nonces import ProofNonces

ENVIRON_KEY: Final = "remit.credential"
"""Under this name a request carries its credential, in every framework."""

_AUTHORIZATION: Final = re.compile(r"(bearer|dpop) +([A-Za-z0-9._~+/-]{1,16384}=*) *", re.ASCII | re.IGNORECASE)
_PUBLIC_URL: Final = re.compile(r"https?://[^/?#@\s]+(?:/[^?#\s]*)?", re.ASCII)
_PROOF_ALGORITHMS: Final = " ".join(sorted(ALGORITHMS))


class TokenVerifier(Protocol):
    """What a middleware needs of a verifier; `remit.Verifier` is one."""

    def verify(
        self,
        token: str,
        *,
        proof: str | None = None,
        method: str | None = None,
        url: str | None = None,
        nonce_check: NonceCheck | None = None,
    ) -> Credential:
        """The credential of an accepted token; raises `RefusedError`."""


class Refusal(msgspec.Struct, frozen=True):
    """A refusal as HTTP has it.

    Attributes:
        status: the status code.
        headers: names and values, all of them ASCII.
        body: a problem document.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Guard:
    """Decides about one request; the middlewares only translate to and from their frameworks."""

    def __init__(
        self,
        verifier: TokenVerifier,
        *,
        public_url: str | None,
        exempt: Iterable[str],
        nonces: ProofNonces | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        """Prepare.

        Args:
            verifier: accepts or refuses tokens; somebody else enters and leaves it.
            public_url: the URL under which clients reach this application; what a proof's `htu` is compared with. Without it,
                tokens that are bound to a key are refused.
            exempt: the exact paths that need no credential.
            nonces: gives the nonces that proofs must carry; None: they need none.
            clock: the time in unix seconds.

        Raises:
            ConfigurationError: `public_url` is not an http(s) URL, or `exempt` is one string instead of several.
        """
        if public_url is not None and _PUBLIC_URL.fullmatch(public_url) is None:
            raise ConfigurationError("public_url is not an http(s) URL without userinfo, query and fragment")
        if isinstance(exempt, str):
            raise ConfigurationError("exempt is one string", hint='write it as ("/healthz",)')
        self._verifier = verifier
        self._public_url = None if public_url is None else public_url.rstrip("/")
        self._exempt = frozenset(exempt)
        self._nonces = nonces
        self._clock = clock

    def exempts(self, path: str) -> bool:
        """Whether requests for `path` need no credential."""
        return path in self._exempt

    def admit(self, method: str, raw_path: str, authorizations: Sequence[str], proofs: Sequence[str]) -> Credential:
        """The credential of a request.

        Args:
            method: its HTTP method.
            raw_path: its path as it was sent, escapes and all, without the query.
            authorizations: the values of all its `Authorization` headers.
            proofs: the values of all its `DPoP` headers.

        Raises:
            RefusedError: it has none, or none that is accepted.
        """
        scheme, token = _presented(authorizations)
        if scheme == "bearer":
            # RFC 9449 section 7.2: a bound token that comes as Bearer finds no proof, and is refused by the verifier.
            return self._verifier.verify(token)
        if len(proofs) != 1:
            raise ProofRefusedError("the request needs exactly one DPoP header")
        url = None if self._public_url is None else self._public_url + raw_path
        if self._nonces is None:
            return self._verifier.verify(token, proof=proofs[0], method=method, url=url)
        return self._verifier.verify(token, proof=proofs[0], method=method, url=url, nonce_check=self._accepts)

    def refusal(self, error: RefusedError) -> Refusal:
        """What to answer to a request that `error` stopped: with a nonce, where one is asked for and this one was not good."""
        if self._nonces is None or error.code != "use_dpop_nonce":
            return refusal_of(error)
        return refusal_of(error, ("DPoP-Nonce", self._nonces.current(int(self._clock()))))

    def _accepts(self, nonce: str | None) -> bool:
        return self._nonces is None or self._nonces.accepts(nonce, int(self._clock()))


def refusal_of(error: RefusedError, *more: tuple[str, str]) -> Refusal:
    """What to answer to a request that `error` stopped, with `more` headers."""
    status, oauth_error = _classify(error)
    problem = {
        "type": f"urn:remit:problem:{error.code}",
        "title": status.phrase,
        "status": status.value,
        "code": error.code,
        "detail": error.detail,
        **({"hint": error.hint} if error.hint else {}),
    }
    body = msgspec.json.encode(problem)
    headers = [
        ("Content-Type", "application/problem+json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        *more,
    ]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("Retry-After", "1"))
    else:
        headers += [("WWW-Authenticate", challenge) for challenge in _challenges(error, oauth_error)]
    return Refusal(status.value, tuple(headers), body)


def _presented(authorizations: Sequence[str]) -> tuple[str, str]:
    """The scheme, in lower case, and the token of the only `Authorization` header."""
    if not authorizations:
        hint = "send the agent token as Authorization: Bearer"
        raise RefusedError("the request has no credential", code="unauthenticated", hint=hint)
    match = _AUTHORIZATION.fullmatch(authorizations[0])
    if len(authorizations) != 1 or match is None:
        hint = "send one header, with the scheme Bearer or DPoP and the token"
        raise RefusedError("the Authorization header is malformed", code="malformed_request", hint=hint)
    return match[1].lower(), match[2]


def _classify(error: RefusedError) -> tuple[HTTPStatus, str | None]:
    """The status, and the error code of RFC 6750 section 3.1 or RFC 9449 section 12.2."""
    if isinstance(error, StaleError):
        return HTTPStatus.SERVICE_UNAVAILABLE, None
    if isinstance(error, ScopeRefusedError):
        return HTTPStatus.FORBIDDEN, "insufficient_scope"
    if error.code == "malformed_request":
        return HTTPStatus.BAD_REQUEST, "invalid_request"
    if error.code == "unauthenticated":
        return HTTPStatus.UNAUTHORIZED, None
    return HTTPStatus.UNAUTHORIZED, "invalid_token"


def _challenges(error: RefusedError, oauth_error: str | None) -> list[str]:
    algorithms = f'DPoP algs="{_PROOF_ALGORITHMS}"'
    if oauth_error is None:
        return ["Bearer", algorithms]
    described = f'error_description="{_quotable(error.detail)}"'
    if isinstance(error, ProofRefusedError):
        proof_error = "use_dpop_nonce" if error.code == "use_dpop_nonce" else "invalid_dpop_proof"
        return [f'{algorithms}, error="{proof_error}", {described}']
    return [f'Bearer error="{oauth_error}", {described}', algorithms]


def _quotable(text: str) -> str:
    """`text` in the characters that RFC 6750 section 3 allows in an error description."""
    return "".join(each if " " <= each <= "~" and each not in '"\\' else "'" for each in text)
