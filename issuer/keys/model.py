"""Signing keys as values, and the pure rules of their life.

A key is *prepared* (published, does not sign yet), then *active* (the one that signs), then *retiring* (its successor signs; it
stays published until the last token that it signed has expired), then *retired*. Which one follows from times that are
written once; nothing has to run at the moment of a change.
"""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from remit.errors import ConfigurationError


class Purpose(StrEnum):
    """What a key signs. The two never mix: status keys announce that a token key is tainted."""

    TOKEN = "token"  # noqa: S105 - a purpose, not a password
    STATUS = "status"


class Phase(StrEnum):
    """Where a key is in its life."""

    PREPARED = "prepared"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"
    REVOKED = "revoked"


class SigningKey(Struct, frozen=True):
    """The public half of a signing key.

    Attributes:
        kid: the RFC 7638 thumbprint.
        purpose: what it signs.
        instance: which issuer holds the private half.
        jwk: the public key, its required members.
        created_at: unix seconds.
        activates_at: unix seconds from which it signs.
        retires_at: unix seconds from which it is no longer published; None until its successor is prepared.
        revoked: taken back; it neither signs nor is published.
    """

    kid: str
    purpose: Purpose
    instance: str
    jwk: dict[str, str]
    created_at: int
    activates_at: int
    retires_at: int | None
    revoked: bool

    def is_published(self, now: int) -> bool:
        """Whether consumers are to trust it at `now`."""
        return not self.revoked and (self.retires_at is None or now < self.retires_at)


class KeySet(Struct, frozen=True):
    """Every signing key that is known, of both purposes and all issuers."""

    keys: tuple[SigningKey, ...]

    def find(self, kid: str) -> SigningKey | None:
        """The key with this kid, or None."""
        return next((key for key in self.keys if key.kid == kid), None)

    def of(self, purpose: Purpose, instance: str) -> tuple[SigningKey, ...]:
        """The keys of one issuer for one purpose, oldest first; revoked ones left out."""
        mine = (key for key in self.keys if key.purpose is purpose and key.instance == instance and not key.revoked)
        return tuple(sorted(mine, key=_by_activation))

    def signing(self, purpose: Purpose, instance: str, now: int) -> SigningKey:
        """The one key that signs at `now`: the latest that has been activated.

        Raises:
            ConfigurationError: there is none.
        """
        active = [key for key in self.of(purpose, instance) if key.activates_at <= now and key.is_published(now)]
        if not active:
            raise ConfigurationError(
                f"issuer {instance} has no active {purpose} key",
                code="no_signing_key",
                hint="check the clock, and that the database is the one of this data folder",
            )
        return active[-1]

    def prepared(self, purpose: Purpose, instance: str, now: int) -> SigningKey | None:
        """The key that waits for its activation, or None."""
        return next((key for key in self.of(purpose, instance) if now < key.activates_at), None)

    def signers(self, purpose: Purpose, instance: str, now: int) -> tuple[SigningKey, ...]:
        """The key that signs at `now`, and the one that waits for its activation if there is one; raises as `signing`."""
        waiting = self.prepared(purpose, instance, now)
        return (self.signing(purpose, instance, now), *(() if waiting is None else (waiting,)))

    def phase(self, key: SigningKey, now: int) -> Phase:
        """Where one of these keys is in its life at `now`."""
        if key.revoked:
            return Phase.REVOKED
        if not key.is_published(now):
            return Phase.RETIRED
        if now < key.activates_at:
            return Phase.PREPARED
        return Phase.ACTIVE if self.signing(key.purpose, key.instance, now) == key else Phase.RETIRING

    def published(self, purpose: Purpose, now: int) -> tuple[SigningKey, ...]:
        """What consumers are to trust at `now`, of all issuers, oldest first."""
        return tuple(sorted(self._published(purpose, now), key=_by_activation))

    def sequence(self, purpose: Purpose, now: int) -> int:
        """`spiffe_sequence`: rises whenever what is published changes, by a key that came or one that left."""
        every = [key for key in self.keys if key.purpose is purpose]
        return len(every) + sum(not key.is_published(now) for key in every)

    def _published(self, purpose: Purpose, now: int) -> Iterable[SigningKey]:
        return (key for key in self.keys if key.purpose is purpose and key.is_published(now))


def _by_activation(key: SigningKey) -> tuple[int, str]:
    return key.activates_at, key.kid
