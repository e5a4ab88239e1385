"""What the HTTP clients' hooks share: the current token, and another one for a token that a provider refused."""

from remit.client import AgentToken, Client, TokenRequest
from remit.scope import SpendScope


class AgentTokens:
    """The tokens for one kind of request."""

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

    def held(self) -> AgentToken | None:
        """The token at hand, or None when getting one may take time."""
        return self._client.held(self._request)

    def current(self) -> AgentToken:
        """A valid token, fetched if need be; raises as `Client.fetch` does."""
        return self._client.fetch(self._request)

    def replacement(self, refused: AgentToken) -> AgentToken | None:
        """Another token than `refused`, or None when the sidecar has no other."""
        self._client.forget(refused)
        token = self.current()
        return None if token.token == refused.token else token
