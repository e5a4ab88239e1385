"""httpx: `httpx.Client(auth=remit.integrations.httpx.Auth(audience="https://api.example.com"))`, for both clients.

The token is for one provider: give this auth to the requests that go there and to no others. A 401 makes it ask the sidecar
once more; when that has another token, the request is repeated with it, unless its body is a stream that is gone.
"""

from collections.abc import AsyncGenerator, Generator

import anyio.to_thread
import httpx

from remit.client import AgentToken, Client
from remit.integrations._agent_tokens import AgentTokens
from remit.scope import SpendScope


class Auth(httpx.Auth):
    """Sends the agent's token with each request; errors are those of `remit.Client.fetch`."""

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
        token = self._tokens.current()
        response = yield _with(request, token)
        if _may_repeat(request, response) and (other := self._tokens.replacement(token)):
            yield _with(request, other)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Authenticate a request of `httpx.AsyncClient`; the sidecar is asked in a thread, never on the event loop."""
        held = self._tokens.held()
        token = await anyio.to_thread.run_sync(self._tokens.current) if held is None else held
        response = yield _with(request, token)
        if _may_repeat(request, response) and (
            other := await anyio.to_thread.run_sync(self._tokens.replacement, token)
        ):
            yield _with(request, other)


def _with(request: httpx.Request, token: AgentToken) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token.token}"
    return request


def _may_repeat(request: httpx.Request, response: httpx.Response) -> bool:
    if response.status_code != httpx.codes.UNAUTHORIZED:
        return False
    if response.request.headers.get("Authorization") != request.headers["Authorization"]:
        return False  # a redirect to another origin has dropped the token: it is not this token that was refused
    try:
        _ = request.content
    except httpx.RequestNotRead:
        return False
    return True
