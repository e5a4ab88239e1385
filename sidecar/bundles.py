"""The trust domain's JWT bundle for streams: each watcher gets the whole state at once and again at each change."""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from remit.bundle import Bundle
from remit.errors import RemitError, UnavailableError
from remit.ids import TrustDomain
from remit.jose import public_jwk


class Watch:
    """One stream's interest in the bundle, until it is ended."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._error: RemitError | None = None

    def wake(self) -> None:
        """Say that there is something new."""
        self._woken.set()

    def end(self, error: RemitError) -> None:
        """End it with `error`; the first one counts."""
        self._error = self._error or error
        self._woken.set()

    async def wait(self) -> None:
        """Return when something is new; raise what it was ended with."""
        self.check()
        await self._woken.wait()
        self._woken.clear()
        self.check()

    def check(self) -> None:
        """Raise what it was ended with, if it was."""
        if self._error is not None:
            raise self._error


class Bundles:
    """The current bundle as a JWK Set, and who waits for the next one.

    Attributes:
        trust_domain: whose bundle it is; None before the first was loaded.
    """

    def __init__(self) -> None:
        self.trust_domain: TrustDomain | None = None
        self._jwks = b""
        self._watches: set[Watch] = set()
        self._closed = False

    def update(self, bundle: Bundle) -> None:
        """Take a bundle that was just read; watchers hear of it if its keys are others."""
        jwks = jwks_of(bundle)
        if jwks != self._jwks:
            self.trust_domain, self._jwks = bundle.trust_domain, jwks
            for watch in self._watches:
                watch.wake()

    async def states(self, watch: Watch) -> AsyncIterator[tuple[TrustDomain, bytes]]:
        """The trust domain and its JWK Set: the current state, and each later one, until `watch` is ended.

        Raises:
            UnavailableError: nothing is loaded yet, or the sidecar is shutting down.
            RemitError: what `watch` was ended with.
        """
        self._watches.add(watch)
        try:
            while True:
                watch.check()
                yield self._state()
                await watch.wait()
        finally:
            self._watches.discard(watch)

    def close(self) -> None:
        """End every watch."""
        self._closed = True
        for watch in self._watches:
            watch.wake()

    def _state(self) -> tuple[TrustDomain, bytes]:
        if self._closed:
            raise UnavailableError("the sidecar is shutting down", hint="connect again")
        if self.trust_domain is None:
            raise UnavailableError("the bundle is not loaded yet", hint="try again with a backoff")
        return self.trust_domain, self._jwks


def jwks_of(bundle: Bundle) -> bytes:
    """A plain JWK Set (RFC 7517) of a bundle's JWT-SVID keys, in a fixed order.

    Keys with other uses are not in it (Workload API, section 6.2.2). Without `use` and the bundle's own members: validators
    that know nothing of SPIFFE refuse `use` values that they do not know.
    """
    keys = [{"kid": kid, **public_jwk(key.key)} for kid, key in sorted(bundle.keys.items())]
    return msgspec.json.encode({"keys": keys})
