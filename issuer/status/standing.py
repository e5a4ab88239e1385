"""How things stand at one moment: what lists and heartbeats say beside what they are about."""

from dataclasses import dataclass

from issuer.keys import KeyService
from issuer.status import store
from issuer.storage import Transaction


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stood at one moment.

    Attributes:
        at: unix seconds, the database's clock, read before everything else: nothing that was committed before is missing.
        seq: the head's sequence number.
        bundle_seq: the sequence number of the bundle that is in force (`spiffe_sequence`).
    """

    at: int
    seq: int
    bundle_seq: int

    @classmethod
    async def read(cls, tx: Transaction, keys: KeyService, at: int) -> "Standing":
        """Read how things stand; `at` was read from the database's clock before `tx` began."""
        return cls(at, await store.head(tx), await keys.bundle_sequence(tx, now=at))
