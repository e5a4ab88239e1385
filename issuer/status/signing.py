"""Signed status lists, never more than a second old.

`iat` is the database's clock, read before the snapshot: whatever was committed before that second is in the list. An issuer that
cannot read its database signs nothing. Requests of one second share a signature as long as nothing changes; a later request gets a
new one even then, because what it asks is how things stand now. What is costly, packing and compressing a list, is done once for each
change and aside from everything else; signing it anew is not.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from issuer.keys import KeyService, Purpose
from issuer.status import store
from issuer.status.model import ListSnapshot
from issuer.status.service import StatusLists
from issuer.storage import Database
from remit.statuslist import StatusList, StatusListToken

LIFETIME_SECONDS: Final = 60
"""How long a list can be used at all; verifiers of Remit enforce a bound of their own, far below."""

TTL_SECONDS: Final = 1
"""For how long it may be cached."""

_FEW_MARKS: Final = 512
"""Up to so many marks a list is compressed as far as it goes; with more, that takes ten times as long and saves a tenth."""


@dataclass(frozen=True, slots=True)
class _Packed:
    seq: int
    statuses: StatusList
    lst: str


@dataclass(frozen=True, slots=True)
class _Signed:
    token: str
    issued_at: int
    seq: int


class StatusSigner:
    """Signs the status lists of one issuer with its status key."""

    def __init__(self, database: Database, lists: StatusLists, keys: KeyService, issuer: str) -> None:
        """Sign what `lists` says; `issuer` is the public URL."""
        self._database = database
        self._lists = lists
        self._keys = keys
        self._issuer = issuer
        self._latest: dict[int, _Signed] = {}
        self._packed: dict[int, _Packed] = {}
        self._signing = asyncio.Lock()

    def uri(self, number: int) -> str:
        """Where a list is served; its `sub`."""
        return f"{self._issuer}/statuslists/{number}"

    async def announced(self) -> list[str]:
        """The URIs of all lists that a token may name, those not in use yet included."""
        return [self.uri(number) for number in await self._lists.announced()]

    async def token(self, number: int) -> str:
        """The signed list, compact: `iat` is this second of the database's clock, and no change is missing.

        Raises:
            NotFoundError: there is no such list.
            StorageError: the database cannot be read; nothing is signed.
        """
        issued_at = await self._database.now()
        seq = await self._database.read(store.head)
        if not self._is_current(number, issued_at, seq):
            async with self._signing:  # one at a time, so that a storm of revocations costs one thread at most
                if not self._is_current(number, issued_at, seq):
                    self._latest[number] = self._sign(number, issued_at, await self._pack_at(number, seq))
        return self._latest[number].token

    def _is_current(self, number: int, issued_at: int, seq: int) -> bool:
        latest = self._latest.get(number)
        return latest is not None and latest.issued_at == issued_at and latest.seq >= seq

    async def _pack_at(self, number: int, seq: int) -> _Packed:
        """The list, packed with every change up to `seq`."""
        packed = self._packed.get(number)
        if packed is None or packed.seq < seq:
            packed = self._packed[number] = await asyncio.to_thread(_pack, await self._lists.snapshot(number))
        return packed

    def _sign(self, number: int, issued_at: int, packed: _Packed) -> _Signed:
        signer = self._keys.signer(Purpose.STATUS, now=issued_at)
        statement = StatusListToken(
            uri=self.uri(number),
            issued_at=issued_at,
            expires_at=issued_at + LIFETIME_SECONDS,
            ttl_seconds=TTL_SECONDS,
            seq=packed.seq,
            statuses=packed.statuses,
        )
        return _Signed(statement.sign(signer.private_key, signer.key.kid, lst=packed.lst), issued_at, packed.seq)


def _pack(snapshot: ListSnapshot) -> _Packed:
    statuses = StatusList.pack(dict(snapshot.marked), size=snapshot.size)
    return _Packed(snapshot.seq, statuses, statuses.to_lst(9 if len(snapshot.marked) <= _FEW_MARKS else 6))
