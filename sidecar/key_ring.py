"""The keys that the sidecar holds, in memory and on disk: by agent, and by thumbprint."""

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from remit.agent_key import AgentKey
from remit.errors import UnavailableError
from sidecar.key_records import KeyRecord


class KeyRing:
    """Holds keys. What it says of a key is on disk before it says so."""

    def __init__(self, kept: Iterable[KeyRecord], keep: Callable[[KeyRecord], None]) -> None:
        """`kept` is what earlier runs have kept, and `keep` makes one record durable. Raises `ConfigurationError`: damaged."""
        self._keep = keep
        self._records = {record.agent: record for record in kept}
        self._keys: dict[str, AgentKey] = {}
        self._index()

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, jkt: str | None) -> AgentKey | None:
        """The key of that thumbprint, if it is held."""
        return None if jkt is None else self._keys.get(jkt)

    def active(self, agent: str) -> AgentKey | None:
        """The key of an agent that is registered, if one is."""
        return self._of(agent).active_key

    def candidate(self, agent: str, *, anew: bool) -> AgentKey:
        """The key to register next: one that was begun with, the one in use unless it is to be another, or a new one."""
        record = self._of(agent)
        return record.candidate or (None if anew else record.active_key) or AgentKey.generate()

    async def begin(self, agent: str, key: AgentKey) -> None:
        """Write down a key that is to be registered; raises `UnavailableError` when that fails."""
        await self._save(self._of(agent).begun(key))

    async def settle(self, agent: str, *, registered: bool) -> None:
        """Write down what became of the key that was begun with; raises as `begin`."""
        record = self._of(agent)
        if not registered:
            await self._save(msgspec.structs.replace(record, pending=None))
        else:
            await self._save(record.registered())

    def _of(self, agent: str) -> KeyRecord:
        return self._records.get(agent, KeyRecord(agent))

    async def _save(self, record: KeyRecord) -> None:
        try:
            await asyncio.to_thread(self._keep, record)
        except OSError as error:
            raise UnavailableError(f"the key cannot be written down: {error.strerror}") from error
        self._records[record.agent] = record
        self._index()

    def _index(self) -> None:
        self._keys = {key.thumbprint: key for record in self._records.values() for key in record.every_key()}
