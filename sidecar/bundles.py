"""The trust domain's JWT bundle for streams: each watcher gets the whole state at once and again at each change."""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from remit.bundle import Bundle
from remit.errors import UnavailableError
from remit.ids import TrustDomain
from remit.jose import public_jwk


class Bundles:
    """The current bundle as a JWK Set, and who waits for the next one.

    Attributes:
        trust_domain: whose bundle it is; None before the first was loaded.
    """

    def __init__(self) -> None:
        self.trust_domain: TrustDomain | None = None
        self._jwks = b""
        self._changed = asyncio.Event()
        self._closed = False

    def update(self, bundle: Bundle) -> None:
        """Take a bundle that was just read; watchers hear of it if its keys are others."""
        jwks = jwks_of(bundle)
        if jwks != self._jwks:
            self.trust_domain, self._jwks = bundle.trust_domain, jwks
            self._announce()

    async def watch(self) -> AsyncIterator[tuple[TrustDomain, bytes]]:
        """The trust domain and its JWK Set: the current state, and each later one, for ever.

        Raises:
            UnavailableError: nothing is loaded yet, or the sidecar is shutting down.
        """
        while not self._closed:
            if self.trust_domain is None:
                raise UnavailableError("the bundle is not loaded yet", hint="try again with a backoff")
            changed = self._changed
            yield self.trust_domain, self._jwks
            await changed.wait()
        raise UnavailableError("the sidecar is shutting down", hint="connect again")

    def close(self) -> None:
        """End every watch."""
        self._closed = True
        self._announce()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def jwks_of(bundle: Bundle) -> bytes:
    """A plain JWK Set (RFC 7517) of a bundle's JWT-SVID keys, in a fixed order.

    Keys with other uses are not in it (Workload API, section 6.2.2). Without `use` and the bundle's own members: validators
    that know nothing of SPIFFE refuse `use` values that they do not know.
    """
    keys = [{"kid": kid, **public_jwk(key.key)} for kid, key in sorted(bundle.keys.items())]
    return msgspec.json.encode({"keys": keys})
