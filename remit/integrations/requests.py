"""requests: `requests.get(url, auth=remit.integrations.requests.Auth(audience="https://api.example.com"))`.

The token is for one provider: give this auth to the requests that go there and to no others. A token that is bound to the agent's
key goes with a proof of possession (DPoP), made anew for each attempt. A 401 makes it ask the sidecar once more; when that has
another token, or the provider asked for a nonce, the request is repeated, unless its body is a stream.
"""

from typing import Any

import requests
from requests.auth import AuthBase

from remit.client import Client
from remit.integrations._agent_tokens import AUTHORIZATION, CHALLENGE, NONCE, PROOF, AgentTokens, Answer, Attempts
from remit.scope import SpendScope


class Auth(AuthBase):
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

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Authenticate a request."""
        attempts = Attempts(self._tokens, request.method or "GET", request.url or "")

        def repeat(response: requests.Response, **kwargs: Any) -> requests.Response:  # noqa: ANN401  # the hook's signature
            return _repeated(response, attempts, kwargs)

        request.headers.update(attempts.first())
        request.register_hook("response", repeat)  # type: ignore[no-untyped-call]  # not annotated there
        return request


def _repeated(response: requests.Response, attempts: Attempts, kwargs: dict[str, Any]) -> requests.Response:
    """The answer to the last of the further attempts; `response` itself where none helps."""
    first = response.request
    while attempts.wants_more(answer := _answer(response)) and isinstance(response.request.body, str | bytes | None):
        headers = attempts.again(answer)
        if headers is None:
            break
        _ = response.content  # read it, so that its connection is free again
        response.close()
        again = response.request.copy()
        again.headers.pop(PROOF, None)
        again.headers.update(headers)
        following = response.connection.send(again, **kwargs)
        following.history.append(response)
        following.request = again
        response = following
    if response.is_redirect:
        first.headers.pop(PROOF, None)  # the request that follows the redirect is a copy of this one
    return response


def _answer(response: requests.Response) -> Answer:
    request = response.request
    return Answer(
        response.status_code,
        request.method or "GET",
        request.url or "",
        request.headers.get(AUTHORIZATION),
        response.headers.get(NONCE),
        response.headers.get(CHALLENGE, ""),
    )
