"""Providers: relying parties that are known by name, each with the audiences that are its own and a credential.

By its credential a provider asks about tokens for its audiences, and its verifiers say which changes they enforce.
"""

from typing import Final

from cachetools import LRUCache

from issuer.audit.store import append
from issuer.changes import Change, apply, was_made
from issuer.errors import ConflictError, NotFoundError, RetiredNameError, UnauthenticatedError
from issuer.registry import bearer
from issuer.registry.model import Page, Provider, ProviderCredential
from issuer.registry.names import refuse_reuse
from issuer.registry.requests import NewProvider
from issuer.registry.state import State
from issuer.registry.store.providers import (
    insert_provider,
    list_providers,
    provider_by_digest,
    read_provider,
    replace_credential,
)
from issuer.storage import Database, Transaction

PREFIX: Final = "remit_prov_"
"""How a provider's credential begins."""
_REMEMBERED: Final = 256
"""Most providers that are recognised without another look."""


class Providers:
    """The providers of one issuer."""

    def __init__(self, database: Database) -> None:
        """Keep them in `database`."""
        self._database = database
        self._recognised: LRUCache[str, tuple[Provider, int]] = LRUCache(_REMEMBERED)

    async def create(self, change: Change, request: NewProvider) -> ProviderCredential:
        """See `register_provider`."""
        return (await apply(self._database, change, lambda tx: register_provider(tx, change, request), None)).answer

    async def rotate_credential(self, change: Change, name: str) -> ProviderCredential:
        """See `rotate_credential`."""
        return (await apply(self._database, change, lambda tx: rotate_credential(tx, change, name), None)).answer

    async def authenticate(self, secret: str) -> Provider:
        """See `identify_provider`."""
        return await self._database.read(lambda tx: identify_provider(tx, secret))

    async def recognise(self, secret: str, now: int) -> Provider:
        """As `authenticate`, but a provider that was stopped may pass for a second more: for what does no harm then."""
        digest = bearer.digest(secret)
        seen = self._recognised.get(digest)
        if seen is None or now > seen[1]:
            seen = self._recognised[digest] = await self.authenticate(secret), now
        return seen[0]

    async def list(self, page: Page) -> list[Provider]:
        """A page of providers by name; the cursor is a name."""
        return await self._database.read(lambda tx: list_providers(tx, page))

    async def show(self, name: str) -> Provider:
        """One provider; raises `NotFoundError`."""
        found = await self._database.read(lambda tx: read_provider(tx, name))
        return _known(found, name)


async def register_provider(tx: Transaction, change: Change, request: NewProvider) -> ProviderCredential:
    """Register a provider. Repeated with the same Idempotency-Key, the one registered then gets a new credential.

    Raises:
        ConflictError: the name exists already.
        RetiredNameError: the name is that of a revoked provider.
    """
    existing = await read_provider(tx, request.name)
    if existing is not None and await was_made(tx, change) and existing.state is State.ACTIVE:
        return await _renew(tx, change, existing)
    if existing is not None:
        refuse_reuse(f"provider {existing.name}", existing.state)
    provider = Provider(
        name=request.name,
        owner=request.owner or change.operator.name,
        audiences=tuple(sorted(set(request.audiences))),
        state=State.ACTIVE,
        created_at=change.now,
    )
    secret = bearer.draw(PREFIX)
    await insert_provider(tx, provider, bearer.digest(secret))
    detail: dict[str, object] = {"what": _noun(provider), "owner": provider.owner, "audiences": provider.audiences}
    await append(tx, change.record("provider.create", detail))
    return _credential(provider, secret)


async def rotate_credential(tx: Transaction, change: Change, name: str) -> ProviderCredential:
    """Give a provider a new credential; the old one is refused from now on.

    Raises:
        NotFoundError: there is no such provider.
        RetiredNameError: it was revoked.
        ConflictError: it is suspended.
    """
    provider = _known(await read_provider(tx, name), name)
    if provider.state is State.REVOKED:
        raise RetiredNameError(f"provider {name} was revoked", hint="names are never used again: register another one")
    if provider.state is State.SUSPENDED:
        raise ConflictError(f"provider {name} is suspended", hint="resume it first")
    return await _renew(tx, change, provider)


async def identify_provider(tx: Transaction, secret: str) -> Provider:
    """The provider whose credential this is.

    Raises:
        UnauthenticatedError: nobody's, or that of one who is suspended or revoked.
    """
    provider = await provider_by_digest(tx, bearer.digest(secret))
    if provider is None or provider.state is not State.ACTIVE:
        raise UnauthenticatedError(
            "not the credential of an active provider", hint="an operator makes one: `remit provider rotate-credential`"
        )
    return provider


async def _renew(tx: Transaction, change: Change, provider: Provider) -> ProviderCredential:
    secret = bearer.draw(PREFIX)
    await replace_credential(tx, provider.name, bearer.digest(secret))
    await append(tx, change.record("provider.rotate_credential", {"what": _noun(provider)}))
    return _credential(provider, secret)


def _credential(provider: Provider, secret: str) -> ProviderCredential:
    return ProviderCredential(name=provider.name, audiences=provider.audiences, owner=provider.owner, credential=secret)


def _noun(provider: Provider) -> str:
    return f"provider {provider.name}"


def _known(provider: Provider | None, name: str) -> Provider:
    if provider is None:
        raise NotFoundError(f"there is no provider {name}", hint="`remit provider list` shows them")
    return provider
