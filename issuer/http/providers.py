"""Providers at the door: who asks, by the credential that an operator gave them."""

from aiohttp import web

from issuer.http.bearer import bearer_credential
from issuer.http.middleware import PRINCIPAL, Principal
from issuer.registry.model import Provider
from issuer.registry.providers import PREFIX, Providers


class ProviderGate:
    """Lets providers in."""

    def __init__(self, providers: Providers) -> None:
        """Know them by `providers`."""
        self._providers = providers

    async def admit(self, request: web.Request) -> Provider:
        """Return the provider who asks.

        Raises:
            UnauthenticatedError: no credential, or none of an active provider.
        """
        return await self.admit_secret(request, bearer_credential(request, whose="provider", prefix=PREFIX))

    async def admit_secret(self, request: web.Request, secret: str) -> Provider:
        """As `admit`, for a credential that came in another way than as a bearer's."""
        provider = await self._providers.authenticate(secret)
        request[PRINCIPAL] = Principal(provider.actor)
        return provider
