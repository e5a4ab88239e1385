"""The door to signing keys: start, sign, publish, rotate, taint.

Order on a crash: a private key is on disk before its public half is a row, and is a row before anything is signed with it.
A file without a row is never used; a row without its file is an error at start, not a new key that nobody knows. A tainted key's
row says so before its file is removed; the next start removes a file that was left.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from issuer.audit.store import append
from issuer.changes import Applied, Change, apply
from issuer.errors import ConflictError, NotFoundError
from issuer.keys import store
from issuer.keys.files import KeyFiles
from issuer.keys.model import KeySet, Purpose, SigningKey
from issuer.keys.rotation import KeyPolicy, Rotation, new_key, plan
from issuer.keys.signer import Signer
from issuer.keys.tainting import Taint, plan_taint
from issuer.storage import Database, Transaction
from remit.jose import public_jwk

T = TypeVar("T")
Settle = Callable[[Transaction, Taint], Awaitable[T]]
"""What else belongs to the change that taints a key; returns its answer."""


@dataclass(frozen=True, slots=True)
class Published:
    """What consumers are to trust at one moment.

    Attributes:
        keys: the public halves, oldest first.
        sequence: rises whenever `keys` changes.
    """

    keys: tuple[SigningKey, ...]
    sequence: int


class KeyService:
    """The signing keys of one issuer, and the public halves of all that share its database."""

    def __init__(self, database: Database, files: KeyFiles, policy: KeyPolicy) -> None:
        """Keep private halves in `files`; nothing is read before `start`."""
        self._database = database
        self._files = files
        self._policy = policy
        self._keys = KeySet(())
        self._signers: dict[str, Signer] = {}

    async def start(self, *, now: int) -> None:
        """Make the first keys if this issuer has none, and load every private half that signs now or later.

        Raises:
            ConfigurationError: a private key is missing, damaged or open to others, or no key is active.
        """
        self._keys = await self._database.read(store.load)
        for purpose in Purpose:
            if not self._keys.of(purpose, self._policy.instance):
                await self._create_first(purpose, now=now)
        await self._adopt(now)
        for key in self._keys.keys:
            if key.revoked and key.instance == self._policy.instance:
                self._files.discard(key.kid)

    def signer(self, purpose: Purpose, *, now: int) -> Signer:
        """The signer that is active at `now`.

        Raises:
            ConfigurationError: there is none.
        """
        return self._signers[self._keys.signing(purpose, self._policy.instance, now).kid]

    async def all(self) -> KeySet:
        """Every key that was ever published, of both purposes."""
        return await self._database.read(store.load)

    async def published(self, purpose: Purpose, *, now: int) -> Published:
        """What consumers are to trust at `now`, those of other issuers on the same database included."""
        keys = await self.all()
        return Published(keys.published(purpose, now), keys.sequence(purpose, now))

    async def bundle_sequence(self, tx: Transaction, *, now: int) -> int:
        """`spiffe_sequence` at `now`, as the snapshot of `tx` has it."""
        return (await store.load(tx)).sequence(Purpose.TOKEN, now)

    async def rotate(self, change: Change, purpose: Purpose) -> Rotation:
        """Prepare the successor of the active key for `purpose`; it is published when this returns.

        Raises:
            ConflictError: a rotation is under way.
            UnauthenticatedError: the operator was suspended or revoked meanwhile.
            IdempotencyMismatchError: the Idempotency-Key came before with another body.
        """
        now = change.now
        successor = self._create(purpose, now=now, activates_at=now + self._policy.prepare_seconds)

        async def record(tx: Transaction) -> Rotation:
            rotation = plan(await store.load(tx), self._policy, successor, now)
            await _write(tx, rotation, change)
            return rotation

        try:
            applied = await apply(self._database, change, record, Rotation)
        except ConflictError:  # any other failure may have come after the commit: then the file is needed
            self._files.discard(successor.kid)
            raise
        await self._adopt(now)
        self._discard_unless_known(successor)
        return applied.answer

    async def taint(self, change: Change, kid: str, settle: Settle[T], answers: type[T]) -> Applied[T]:
        """Revoke a key at once: when this returns its successor signs, it is not published any more, and its private half is gone.

        Args:
            change: who wants it, and when.
            kid: any key, of either purpose.
            settle: records and announces the change within its transaction.
            answers: the type of the answer that `settle` returns.

        Raises:
            NotFoundError: there is no such key.
            UnauthenticatedError: the operator was suspended or revoked meanwhile.
            IdempotencyMismatchError: the Idempotency-Key came before with another body.
        """
        now = change.now
        known = (await self.all()).find(kid)
        if known is None:
            raise NotFoundError(f"there is no signing key {kid}", hint="`remit key list` shows them")
        mine = known.instance == self._policy.instance
        spare = self._create(known.purpose, now=now, activates_at=now) if mine else None

        async def work(tx: Transaction) -> T:
            taint = plan_taint(await store.load(tx), kid, spare, now)
            await _write_taint(tx, taint)
            return await settle(tx, taint)

        applied = await apply(self._database, change, work, answers)
        await self._adopt(now)
        if spare is not None:
            self._discard_unless_known(spare)
            self._files.discard(kid)
        return applied

    def _create(self, purpose: Purpose, *, now: int, activates_at: int) -> SigningKey:
        """Make a key whose private half is on disk and nowhere else."""
        kid, private_key = self._files.create()
        return new_key(self._policy, purpose, kid, public_jwk(private_key), now=now, activates_at=activates_at)

    def _discard_unless_known(self, key: SigningKey) -> None:
        if self._keys.find(key.kid) is None:
            self._files.discard(key.kid)

    async def _create_first(self, purpose: Purpose, *, now: int) -> None:
        key = self._create(purpose, now=now, activates_at=now)
        await self._database.transaction(lambda tx: store.add(tx, key))
        self._keys = await self._database.read(store.load)

    async def _adopt(self, now: int) -> None:
        """Go by what the database says from now on, with the private half of each key of this issuer that signs now or later."""
        self._keys = await self._database.read(store.load)
        private = {kid: signer.private_key for kid, signer in self._signers.items()}
        self._signers = {
            key.kid: Signer(key, private.get(key.kid) or self._files.read(key.kid))
            for purpose in Purpose
            for key in self._keys.signers(purpose, self._policy.instance, now)
        }


async def _write(tx: Transaction, rotation: Rotation, change: Change) -> None:
    """Write a rotation and its audit record."""
    retired, prepared = rotation.active, rotation.prepared
    if retired.retires_at is not None:
        await store.retire(tx, retired.kid, retires_at=retired.retires_at)
    await store.add(tx, prepared)
    detail: dict[str, object] = {
        "purpose": prepared.purpose.value,
        "kid": prepared.kid,
        "activates_at": prepared.activates_at,
        "retires": retired.kid,
        "retires_at": retired.retires_at,
    }
    await append(tx, change.record("key.rotate", detail))


async def _write_taint(tx: Transaction, taint: Taint) -> None:
    await store.revoke(tx, taint.key.kid)
    if taint.stays is not None:
        await store.retire(tx, taint.stays.kid, retires_at=taint.stays.retires_at)
    if taint.successor is not None and taint.is_new:
        await store.add(tx, taint.successor)
    elif taint.successor is not None:
        await store.activate(tx, taint.successor.kid, activates_at=taint.successor.activates_at)
