"""aiohttp client: `aiohttp.ClientSession(middlewares=[agent_auth("https://api.example.com")])`.

The token goes to the origin of its audience and to no other, wherever a request is redirected to. A token that is bound to the agent's
key goes with a proof of possession (DPoP), made anew for each attempt and each hop. A 401 makes it ask the sidecar once more; when that
has another token, or the provider asked for a nonce, the request is repeated, unless its body is a stream that is gone. The sidecar is
asked in a thread, never on the event loop.
"""

import asyncio
from urllib.parse import urlsplit

from aiohttp import ClientHandlerType, ClientMiddlewareType, ClientRequest, ClientResponse

from remit.client import Client
from remit.errors import ConfigurationError
from remit.integrations._agent_tokens import (
    AUTHORIZATION,
    CHALLENGE,
    NONCE,
    PROOF,
    AgentTokens,
    Answer,
    Attempts,
    origin_of,
)
from remit.scope import SpendScope


def agent_auth(
    audience: str,
    *,
    origin: str | None = None,
    client: Client | None = None,
    task: str | None = None,
    scope: SpendScope | None = None,
    reason: str | None = None,
    agent: str | None = None,
) -> ClientMiddlewareType:
    """Make the client middleware; its errors are those of `remit.Client.fetch` and `remit.Client.proof`.

    Args:
        audience: the provider that the token is for.
        origin: the URL whose scheme, host and port alone get the token; by default the audience, when that is a URL.
        client: the sidecar's, by default found by the environment.
        task: see `remit.client.TokenRequest`.
        scope: see there.
        reason: see there.
        agent: see there.

    Raises:
        ConfigurationError: neither `origin` nor the audience is an http(s) URL, or there is no sidecar.
    """
    url = audience if origin is None else origin
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfigurationError("the token has no origin to go to", hint="pass origin=, as https://api.example.com")
    tokens = AgentTokens(audience, client, task=task, scope=scope, reason=reason, agent=agent)
    ours = origin_of(url)

    async def authenticate(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        if origin_of(str(request.url)) != ours:
            request.headers.popall(PROOF, None)
            return await handler(request)
        return await _authenticated(request, handler, tokens)

    return authenticate


async def _authenticated(request: ClientRequest, handler: ClientHandlerType, tokens: AgentTokens) -> ClientResponse:
    attempts, held = Attempts(tokens, request.method, str(request.url)), tokens.held()
    request.headers.update(attempts.first(held) if held else await asyncio.to_thread(attempts.first))
    response = await handler(request)
    while attempts.wants_more(answer := _answer(request, response)) and not _is_gone(request):
        headers = await asyncio.to_thread(attempts.again, answer)
        if headers is None:
            break
        response.release()
        request.headers.popall(PROOF, None)
        request.headers.update(headers)
        response = await handler(request)
    return response


def _is_gone(request: ClientRequest) -> bool:
    """Whether the body was a stream, which cannot be sent again."""
    return not isinstance(request.body, bytes) and request.body.consumed


def _answer(request: ClientRequest, response: ClientResponse) -> Answer:
    return Answer(
        response.status,
        request.method,
        str(request.url),
        request.headers.get(AUTHORIZATION),
        response.headers.get(NONCE),
        ", ".join(response.headers.getall(CHALLENGE, ())),
    )
