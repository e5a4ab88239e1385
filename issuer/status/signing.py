"""Signed status lists, never more than a second old.

`iat` is the database's clock as it was just before the list was read: whatever was committed before that second is in the list. An issuer that
cannot read its database signs nothing. Requests of one second share a signature as long as nothing changes; a later request gets a
new one even then, because what it asks is how things stand now. What is costly, packing and compressing a list, is done once for each
change and aside from everything else; signing it anew is not.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from issuer.keys import KeyService, Purpose
from issuer.status.model import ListSnapshot
from issuer.status.service import StatusLists
from issuer.status.standing import Standing
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
    standing: Standing
    kid: str


def list_uri(issuer: str, number: int) -> str:
    """Where the issuer of this URL serves a list; its `sub`."""
    return f"{issuer}/statuslists/{number}"


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

    async def announced(self) -> list[str]:
        """The URIs of all lists that a token may name, those not in use yet included."""
        return [list_uri(self._issuer, number) for number in await self._lists.announced()]

    async def token(self, number: int) -> str:
        """The signed list, compact: `iat` is this second of the database's clock, and no change is missing.

        Raises:
            NotFoundError: there is no such list.
            StorageError: the database cannot be read; nothing is signed.
        """
        at = await self._database.now()
        standing = await self._database.read(lambda tx: Standing.read(tx, self._keys, at))
        if not self._is_current(number, standing):
            async with self._signing:  # one at a time, so that a storm of revocations costs one thread at most
                if not self._is_current(number, standing):
                    self._latest[number] = self._sign(number, standing, await self._pack_at(number, standing.seq))
        return self._latest[number].token

    def _is_current(self, number: int, standing: Standing) -> bool:
        signed = self._latest.get(number)
        if signed is None or signed.kid != self._keys.signer(Purpose.STATUS, now=standing.at).key.kid:
            return False  # also when that key was tainted within this second
        latest = signed.standing
        return latest.at == standing.at and latest.seq >= standing.seq and latest.bundle_seq >= standing.bundle_seq

    async def _pack_at(self, number: int, seq: int) -> _Packed:
        """The list, packed with every change up to `seq`."""
        packed = self._packed.get(number)
        if packed is None or packed.seq < seq:
            packed = self._packed[number] = await asyncio.to_thread(_pack, await self._lists.snapshot(number))
        return packed

    def _sign(self, number: int, standing: Standing, packed: _Packed) -> _Signed:
        """Sign a list that holds every change up to `standing.seq`, and perhaps later ones, whose bundle is not known."""
        signer = self._keys.signer(Purpose.STATUS, now=standing.at)
        statement = StatusListToken(
            uri=list_uri(self._issuer, number),
            issued_at=standing.at,
            expires_at=standing.at + LIFETIME_SECONDS,
            ttl_seconds=TTL_SECONDS,
            seq=standing.seq,
            statuses=packed.statuses,
            bundle_seq=standing.bundle_seq,
        )
        return _Signed(statement.sign(signer.private_key, signer.key.kid, lst=packed.lst), standing, signer.key.kid)


def _pack(snapshot: ListSnapshot) -> _Packed:
    statuses = StatusList.pack(dict(snapshot.marked), size=snapshot.size)
    return _Packed(snapshot.seq, statuses, statuses.to_lst(9 if len(snapshot.marked) <= _FEW_MARKS else 6))
