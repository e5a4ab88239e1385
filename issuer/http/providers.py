"""Providers at the door: who asks, by the credential that an operator gave them."""

from collections.abc import Callable

from aiohttp import web

from issuer.http.bearer import bearer_credential
from issuer.http.middleware import PRINCIPAL, Principal
from issuer.registry.model import Provider
from issuer.registry.providers import PREFIX, Providers


class ProviderGate:
    """Lets providers in."""

    def __init__(self, providers: Providers, clock_ms: Callable[[], int]) -> None:
        """Know them by `providers`; `clock_ms` tells milliseconds since the epoch."""
        self._providers = providers
        self._clock_ms = clock_ms

    async def admit(self, request: web.Request) -> Provider:
        """Return the provider who asks.

        Raises:
            UnauthenticatedError: no credential, or none of an active provider.
        """
        return await self.admit_secret(request, bearer_credential(request, whose="provider", prefix=PREFIX))

    async def admit_again(self, request: web.Request) -> Provider:
        """As `admit`, for what a provider that was stopped a second ago may still do; see `Providers.recognise`."""
        secret = bearer_credential(request, whose="provider", prefix=PREFIX)
        return _noted(request, await self._providers.recognise(secret, self._clock_ms() // 1000))

    async def admit_secret(self, request: web.Request, secret: str) -> Provider:
        """As `admit`, for a credential that came in another way than as a bearer's."""
        return _noted(request, await self._providers.authenticate(secret))


def _noted(request: web.Request, provider: Provider) -> Provider:
    request[PRINCIPAL] = Principal(provider.actor)
    return provider
