"""httpx: `httpx.Client(auth=remit.integrations.httpx.Auth(audience="https://api.example.com"))`, for both clients.

The token is for one provider: give this auth to the requests that go there and to no others. A token that is bound to the agent's
key goes with a proof of possession (DPoP), made anew for each attempt; it is on the wire only, so that no redirect takes it along. A 401 makes it ask the sidecar once more; when that has
another token, or the provider asked for a nonce, the request is repeated, unless its body is a stream that is gone.
"""

from collections.abc import AsyncGenerator, Generator

import anyio.to_thread
import httpx

from remit.client import Client
from remit.integrations._agent_tokens import (
    AUTHORIZATION,
    CHALLENGE,
    NONCE,
    PROOF,
    AgentTokens,
    Answer,
    Attempts,
    Headers,
)
from remit.scope import SpendScope


class Auth(httpx.Auth):
    """Sends the agent's token with each request; errors are those of `remit.Client.fetch` and `remit.Client.proof`."""

    def __init__(
        self,
        audience: str,
        *,
        client: Client | None = None,
        task: str | None = None,
        scope: SpendScope | None = None,
        reason: str | None = None,
        agent: str | None = None,
    ) -> None:
        """See `remit.client.TokenRequest`; `client` is the sidecar's, by default found by the environment."""
        self._tokens = AgentTokens(audience, client, task=task, scope=scope, reason=reason, agent=agent)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Authenticate a request of `httpx.Client`."""
        attempts = Attempts(self._tokens, request.method, str(request.url))
        response = yield _with(request, attempts.first())
        while attempts.wants_more(answer := _answer(response)) and _may_be_sent(response.request):
            headers = attempts.again(answer)
            if headers is None:
                return
            response = yield _with(response.request, headers)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Authenticate a request of `httpx.AsyncClient`; the sidecar is asked in a thread, never on the event loop."""
        attempts = Attempts(self._tokens, request.method, str(request.url))
        held = self._tokens.held()
        first = attempts.first(held) if held else await anyio.to_thread.run_sync(attempts.first)
        response = yield _with(request, first)
        while attempts.wants_more(answer := _answer(response)) and _may_be_sent(response.request):
            headers = await anyio.to_thread.run_sync(attempts.again, answer)
            if headers is None:
                return
            response = yield _with(response.request, headers)


class _OneHop(httpx.Headers):
    """The headers of one request on the wire, with its proof: a copy, as httpx makes one for where it is redirected to, lacks that."""

    def __init__(self, headers: httpx.Headers, proof: str) -> None:
        super().__init__(headers)
        self._proof = proof

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        return [*super().raw, (PROOF.encode(), self._proof.encode())]


def _with(request: httpx.Request, headers: Headers) -> httpx.Request:
    proof = headers.get(PROOF)
    request.headers = httpx.Headers(request.headers)
    request.headers.pop(PROOF, None)
    request.headers.update({name: value for name, value in headers.items() if name != PROOF})
    if proof is not None:
        request.headers = _OneHop(request.headers, proof)
    return request


def _answer(response: httpx.Response) -> Answer:
    request = response.request
    return Answer(
        response.status_code,
        request.method,
        str(request.url),
        request.headers.get(AUTHORIZATION),
        response.headers.get(NONCE),
        response.headers.get(CHALLENGE, ""),
    )


def _may_be_sent(request: httpx.Request) -> bool:
    """Whether the request has its body still: a stream may be gone."""
    try:
        _ = request.content
    except httpx.RequestNotRead:
        return isinstance(request.stream, httpx.ByteStream)  # what follows a redirect has its body in this form only
    return True
