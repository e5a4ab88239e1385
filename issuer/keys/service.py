"""The door to signing keys: start, sign, publish, rotate.

Order on a crash: a private key is on disk before its public half is a row, and is a row before anything is signed with it.
A file without a row is never used; a row without its file is an error at start, not a new key that nobody knows.
"""

from dataclasses import dataclass

from issuer.audit.store import append
from issuer.changes import Change, apply
from issuer.errors import ConflictError
from issuer.keys import store
from issuer.keys.files import KeyFiles
from issuer.keys.model import KeySet, Purpose, SigningKey
from issuer.keys.rotation import KeyPolicy, Rotation, new_key, plan
from issuer.keys.signer import Signer
from issuer.storage import Database, Transaction
from remit.jose import public_jwk


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
        for purpose in Purpose:
            waiting = self._keys.prepared(purpose, self._policy.instance, now)
            for key in (self._keys.signing(purpose, self._policy.instance, now), waiting):
                if key is not None:
                    self._signers[key.kid] = Signer(key, self._files.read(key.kid))

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
        kid, private_key = self._files.create()
        activates_at = now + self._policy.prepare_seconds
        successor = new_key(self._policy, purpose, kid, public_jwk(private_key), now=now, activates_at=activates_at)

        async def record(tx: Transaction) -> Rotation:
            rotation = plan(await store.load(tx), self._policy, successor, now)
            await _write(tx, rotation, change)
            return rotation

        try:
            applied = await apply(self._database, change, record, Rotation)
        except ConflictError:  # any other failure may have come after the commit: then the file is needed
            self._files.discard(kid)
            raise
        if applied.repeated:
            self._files.discard(kid)
            return applied.answer
        self._signers[kid] = Signer(successor, private_key)
        self._keys = await self._database.read(store.load)
        return applied.answer

    async def _create_first(self, purpose: Purpose, *, now: int) -> None:
        kid, private_key = self._files.create()
        key = new_key(self._policy, purpose, kid, public_jwk(private_key), now=now, activates_at=now)
        await self._database.transaction(lambda tx: store.add(tx, key))
        self._keys = await self._database.read(store.load)


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
