"""Signed status lists, never more than a second old.

`iat` is the database's clock, read before the snapshot: whatever was committed before that second is in the list. An issuer that
cannot read its database signs nothing. Requests of one second share a signature as long as nothing changes; a later request gets a
new one even then, because what it asks is how things stand now.
"""

from dataclasses import dataclass
from typing import Final

from issuer.keys import KeyService, Purpose
from issuer.status import store
from issuer.status.service import StatusLists
from issuer.storage import Database
from remit.statuslist import StatusList, StatusListToken

LIFETIME_SECONDS: Final = 60
"""How long a list can be used at all; verifiers of Remit enforce a bound of their own, far below."""

TTL_SECONDS: Final = 1
"""For how long it may be cached."""


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

    def uri(self, number: int) -> str:
        """Where a list is served; its `sub`."""
        return f"{self._issuer}/statuslists/{number}"

    async def announced(self) -> list[str]:
        """The URIs of all lists, those not in use yet included."""
        return [self.uri(number) for number in await self._lists.announced()]

    async def token(self, number: int) -> str:
        """The signed list, compact: `iat` is this second of the database's clock, and no change is missing.

        Raises:
            NotFoundError: there is no such list.
            StorageError: the database cannot be read; nothing is signed.
        """
        issued_at = await self._database.now()
        seq = await self._database.read(store.head)
        latest = self._latest.get(number)
        if latest is None or (latest.issued_at, latest.seq) != (issued_at, seq):
            latest = self._latest[number] = await self._sign(number, issued_at)
        return latest.token

    async def _sign(self, number: int, issued_at: int) -> _Signed:
        snapshot = await self._lists.snapshot(number)
        signer = self._keys.signer(Purpose.STATUS, now=issued_at)
        statement = StatusListToken(
            uri=self.uri(number),
            issued_at=issued_at,
            expires_at=issued_at + LIFETIME_SECONDS,
            ttl_seconds=TTL_SECONDS,
            seq=snapshot.seq,
            statuses=StatusList.pack(dict(snapshot.marked), size=snapshot.size),
        )
        return _Signed(statement.sign(signer.private_key, signer.key.kid), issued_at, snapshot.seq)
