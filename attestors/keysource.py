"""Somebody else's public keys by kid: fetched when needed, kept for a while, fetched again within bounds.

- One fetch at a time, and none sooner than `RETRY_SECONDS` after the last, however many unknown kids are shown.
- Keys older than their refresh time are fetched anew by the next request; until `MAX_AGE_SECONDS` the old ones serve when
  that fails, after it nothing is accepted: a key that its owner withdrew must not live on here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from attestors.errors import EvidenceRefusedError
from remit.bundle import PublicKeys
from remit.jose import PublicKey

RETRY_SECONDS = 10
MAX_AGE_SECONDS = 3600
_EPOCH = 0


@dataclass(frozen=True, slots=True)
class LoadedKeys:
    """What a fetch brought.

    Attributes:
        keys: by kid, never empty.
        refresh_seconds: when to fetch again.
    """

    keys: PublicKeys
    refresh_seconds: int


class KeySource:
    """The keys of one issuer or trust domain; `owner` names it in messages."""

    def __init__(self, owner: str, load: Callable[[], Awaitable[LoadedKeys]]) -> None:
        """`load` fetches the keys and raises `EvidenceRefusedError` when it cannot."""
        self._owner = owner
        self._load = load
        self._loaded: LoadedKeys | None = None
        self._loaded_at = self._tried_at = _EPOCH
        self._fetching = asyncio.Lock()

    async def key(self, kid: str, now: int) -> PublicKey:
        """The key with this kid.

        Raises:
            EvidenceRefusedError: there is none, or the keys could not be had (`evidence_unavailable`).
        """
        key = self._known(kid, now)
        if key is None or self._age(now) >= self._refresh_seconds:
            key = await self._fetched(kid, now, key)
        if key is None:
            if self._loaded is None or self._age(now) > MAX_AGE_SECONDS:
                raise EvidenceRefusedError(
                    f"the keys of {self._owner} could not be fetched", code="evidence_unavailable"
                )
            raise EvidenceRefusedError(f"the token's key is not one of {self._owner}")
        return key

    @property
    def _refresh_seconds(self) -> int:
        return self._loaded.refresh_seconds if self._loaded else 0

    def _age(self, now: int) -> int:
        """Seconds since the last good fetch; a clock that was set back makes keys old, never young."""
        return now - self._loaded_at if now >= self._loaded_at else MAX_AGE_SECONDS + 1

    def _known(self, kid: str, now: int) -> PublicKey | None:
        if self._loaded is None or self._age(now) > MAX_AGE_SECONDS:
            return None
        return self._loaded.keys.get(kid)

    async def _fetched(self, kid: str, now: int, known: PublicKey | None) -> PublicKey | None:
        if known is not None and self._fetching.locked():
            return known
        async with self._fetching:
            if abs(now - self._tried_at) >= RETRY_SECONDS:
                self._tried_at = now
                await self._replace(now, known)
        return self._known(kid, now)

    async def _replace(self, now: int, known: PublicKey | None) -> None:
        try:
            self._loaded = await self._load()
            self._loaded_at = now
        except EvidenceRefusedError:
            if known is None and (self._loaded is None or self._age(now) > MAX_AGE_SECONDS):
                raise
