"""requests: `requests.get(url, auth=remit.integrations.requests.Auth(audience="https://api.example.com"))`.

The token is for one provider: give this auth to the requests that go there and to no others. A 401 makes it ask the sidecar
once more; when that has another token, the request is repeated with it, unless its body is a stream.
"""

from typing import Any

import requests
from requests.auth import AuthBase

from remit.client import AgentToken, Client
from remit.integrations._agent_tokens import AgentTokens
from remit.scope import SpendScope


class Auth(AuthBase):
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

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Authenticate a request."""
        token = self._tokens.current()

        def repeat(response: requests.Response, **kwargs: Any) -> requests.Response:  # noqa: ANN401  # the hook's signature
            return self._repeated(response, token, kwargs)

        request.headers["Authorization"] = f"Bearer {token.token}"
        request.register_hook("response", repeat)  # type: ignore[no-untyped-call]  # not annotated there
        return request

    def _repeated(self, response: requests.Response, token: AgentToken, kwargs: dict[str, Any]) -> requests.Response:
        """The answer to the same request with another token, where there is one; otherwise `response`."""
        sent = response.request
        if response.status_code != requests.codes.unauthorized or not isinstance(sent.body, str | bytes | None):
            return response
        if sent.headers.get("Authorization") != f"Bearer {token.token}":
            return response  # a redirect to another host has dropped it: it is not to have another
        other = self._tokens.replacement(token)
        if other is None:
            return response
        _ = response.content  # read it, so that its connection is free again
        response.close()
        again = sent.copy()
        again.headers["Authorization"] = f"Bearer {other.token}"
        answer = response.connection.send(again, **kwargs)
        answer.history.append(response)
        answer.request = again
        return answer
