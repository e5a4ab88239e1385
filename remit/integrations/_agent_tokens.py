"""What the HTTP clients' hooks share: which headers a request gets, and whether it is worth another attempt.

A token that is bound to the agent's key goes with a fresh proof for each attempt (RFC 9449 section 7), with the nonce that the origin
gave last. Proofs are made for the origin that the request was meant for and for no other, wherever it is redirected to.
"""

from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus
from threading import Lock
from typing import Final
from urllib.parse import urlsplit

from remit.client import AgentToken, Client, TokenRequest
from remit.errors import RefusedError
from remit.forking import renew_after_fork
from remit.scope import SpendScope

AUTHORIZATION: Final = "Authorization"
PROOF: Final = "DPoP"
NONCE: Final = "DPoP-Nonce"
CHALLENGE: Final = "WWW-Authenticate"

_MAX_ORIGINS: Final = 64
_MAX_NONCE: Final = 1024
_NOT_OURS: Final = "token_not_given"
_PORTS: Final = {"http": 80, "https": 443}

Headers = dict[str, str]
Origin = tuple[str, str, int | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one attempt.

    Attributes:
        status: the status code.
        method: the method of the request that was answered, which a redirect may have changed.
        url: its URL.
        authorization: the `Authorization` header that it still had.
        nonce: the answer's `DPoP-Nonce` header, if it has one.
        challenge: its `WWW-Authenticate` headers, joined.
    """

    status: int
    method: str
    url: str
    authorization: str | None
    nonce: str | None
    challenge: str


class AgentTokens:
    """The tokens for one kind of request, and the nonces of those who ask for some."""

    def __init__(
        self,
        audience: str,
        client: Client | None,
        *,
        task: str | None,
        scope: SpendScope | None,
        reason: str | None,
        agent: str | None,
    ) -> None:
        self._client = client or Client()
        self._request = TokenRequest(audience, task, scope, reason, agent)
        self._nonces: OrderedDict[Origin, str] = OrderedDict()
        self._lock = Lock()
        renew_after_fork(self)

    def held(self) -> AgentToken | None:
        """The token at hand with which headers can be made without waiting, or None."""
        token = self._client.held(self._request)
        return token if token is None or not token.is_bound or self._client.signs_here else None

    def current(self) -> AgentToken:
        """A valid token, fetched if need be; raises as `Client.fetch` does."""
        return self._client.fetch(self._request)

    def replacement(self, refused: AgentToken) -> AgentToken | None:
        """Another token than `refused`, or None when the sidecar has no other."""
        self._client.forget(refused)
        token = self.current()
        return None if token.token == refused.token else token

    def proof(self, method: str, url: str, token: AgentToken) -> str:
        """A proof for one attempt; raises as `Client.proof`."""
        return self._client.proof(method, url, token, nonce=self._nonces.get(origin_of(url)))

    def learn(self, url: str, nonce: str) -> None:
        """Remember the nonce that the origin of `url` gave last."""
        if not 0 < len(nonce) <= _MAX_NONCE:
            return
        with self._lock:
            self._nonces[origin_of(url)] = nonce
            self._nonces.move_to_end(origin_of(url))
            if len(self._nonces) > _MAX_ORIGINS:
                self._nonces.popitem(last=False)

    def after_fork(self) -> None:
        """See `remit.forking`; what was remembered stays."""
        self._lock = Lock()


class Attempts:
    """The attempts of one request. Its methods may wait for the sidecar, unless they were given a token that is `held`."""

    def __init__(self, tokens: AgentTokens, method: str, url: str) -> None:
        """Prepare the attempts of a request for `url`: its origin is the only one that gets the token."""
        self._tokens = tokens
        self._method = method
        self._url = url
        self._token: AgentToken | None = None
        self._sent: Headers = {}
        self._tried: set[str] = set()

    def first(self, held: AgentToken | None = None) -> Headers:
        """The headers of the first attempt; raises as `Client.fetch` and `Client.proof` do."""
        token = held or self._tokens.current()
        try:
            return self._headers(token, self._method, self._url)
        except RefusedError as error:
            if error.code != _NOT_OURS:
                raise
        # The sidecar was started anew and does not know what it gave before: it gives another token.
        return self._headers(self._tokens.replacement(token) or token, self._method, self._url)

    def wants_more(self, answer: Answer) -> bool:
        """Whether another attempt may help; never waits. It remembers the nonce that came."""
        if answer.authorization != self._sent.get(AUTHORIZATION) or origin_of(answer.url) != origin_of(self._url):
            return False  # a redirect has dropped the token, or led elsewhere: it is not this token that was refused
        if answer.nonce is not None:
            self._tokens.learn(answer.url, answer.nonce)
        return answer.status == HTTPStatus.UNAUTHORIZED

    def again(self, answer: Answer) -> Headers | None:
        """The headers of another attempt after an answer that `wants_more`, or None: then that is the answer."""
        token = self._token
        if token is None:
            return None
        if token.is_bound and self._needs_another_proof(answer):
            return self._headers(token, answer.method, answer.url)
        if "token" in self._tried:
            return None
        self._tried.add("token")
        other = self._tokens.replacement(token)
        return None if other is None else self._headers(other, answer.method, answer.url)

    def _needs_another_proof(self, answer: Answer) -> bool:
        """Whether the proof alone was wrong: it had no good nonce, or a redirect made it one for another url. Once for each."""
        wrong = {
            "nonce": answer.nonce is not None and "use_dpop_nonce" in answer.challenge,
            "url": (answer.method, answer.url) != (self._method, self._url),
        }
        for reason, holds in wrong.items():
            if holds and reason not in self._tried:
                self._tried.add(reason)
                return True
        return False

    def _headers(self, token: AgentToken, method: str, url: str) -> Headers:
        self._token = token
        self._sent = {AUTHORIZATION: f"{token.token_type} {token.token}"}
        if token.is_bound:
            self._sent[PROOF] = self._tokens.proof(method, url, token)
            self._method, self._url = method, url
        return self._sent


def origin_of(url: str) -> Origin:
    """Scheme, host and port of a URL."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
