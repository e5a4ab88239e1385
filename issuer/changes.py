"""An operator's change: who asks, when, and the promise that asking twice changes once.

`apply` is the one way in which an operator changes anything. In one transaction it sees that the operator still is one,
looks whether this very change was made before (its Idempotency-Key, by the same principal, to the same route, with the
same body), makes it, and remembers the answer. So there is no moment in which a change is made and its answer unknown.
Answers that hold a secret are never stored: asking again makes a new secret.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import msgspec

from issuer.audit.model import AuditRecord, Outcome
from issuer.errors import IdempotencyMismatchError, UnauthenticatedError
from issuer.registry.roles import Operator
from issuer.registry.state import State
from issuer.registry.store.operators import read_operator
from issuer.storage import Database, Row, Transaction

REMEMBERED_SECONDS: Final = 86_400
"""How long an answer is kept for its Idempotency-Key."""

T = TypeVar("T")


class Once(msgspec.Struct, frozen=True):
    """An Idempotency-Key and what it is scoped to.

    Attributes:
        route: method and path of the request.
        key: the key that the caller chose.
        body_digest: SHA-256 of the body, hex.
    """

    route: str
    key: str
    body_digest: str


class Change(msgspec.Struct, frozen=True):
    """A change that an operator asks for.

    Attributes:
        operator: who asks.
        at_ms: when, milliseconds since the epoch.
        once: the Idempotency-Key, if one came with it.
    """

    operator: Operator
    at_ms: int
    once: Once | None = None

    @property
    def now(self) -> int:
        """When, seconds since the epoch."""
        return self.at_ms // 1000

    def record(
        self,
        kind: str,
        detail: dict[str, object],
        *,
        account: str | None = None,
        agent: str | None = None,
        grant_id: str | None = None,
    ) -> AuditRecord:
        """The audit record that says it was made; see `AuditRecord` for the parts."""
        return AuditRecord(
            at_ms=self.at_ms,
            kind=kind,
            outcome=Outcome.ALLOWED,
            actor=self.operator.actor,
            account=account,
            agent=agent,
            grant_id=grant_id,
            detail=detail,
        )


class Applied(msgspec.Struct, Generic[T], frozen=True):
    """What came of a change.

    Attributes:
        answer: its answer.
        repeated: whether it was made before and `answer` is the first one.
    """

    answer: T
    repeated: bool


Work = Callable[[Transaction], Awaitable[T]]


async def apply(database: Database, change: Change, work: Work[T], answers: type[T] | None) -> Applied[T]:
    """Make `change` by doing `work`, unless it was made before.

    Args:
        database: where.
        change: who, when, and the Idempotency-Key.
        work: makes the change within a transaction and returns its answer.
        answers: the answer's type, by which it is stored; None when it holds a secret.

    Raises:
        UnauthenticatedError: the operator was suspended or revoked meanwhile.
        IdempotencyMismatchError: the key came before with another body.
    """

    async def unit(tx: Transaction) -> Applied[T]:
        await _require_still_active(tx, change.operator)
        if change.once is None:
            return Applied(await work(tx), repeated=False)
        stored = await _find(tx, change.operator.actor, change.once, change.now)
        if stored is not None and stored["answer"] is not None and answers is not None:
            return Applied(msgspec.json.decode(stored["answer"], type=answers), repeated=True)
        answer = await work(tx)
        await _remember(tx, change, change.once, None if answers is None else msgspec.json.encode(answer).decode())
        return Applied(answer, repeated=False)

    return await database.transaction(unit)


async def was_made(tx: Transaction, change: Change) -> bool:
    """Whether this change was made before; for work whose answer holds a secret, and which makes that one anew."""
    return change.once is not None and await _find(tx, change.operator.actor, change.once, change.now) is not None


async def _require_still_active(tx: Transaction, operator: Operator) -> None:
    current = await read_operator(tx, operator.name)
    if current is None or current.state is not State.ACTIVE:
        raise UnauthenticatedError("the operator is not active any more")


async def _find(tx: Transaction, principal: str, once: Once, now: int) -> Row | None:
    row = await tx.fetch_row(
        "SELECT body_digest, answer FROM idempotency "
        "WHERE principal = $1 AND route = $2 AND key = $3 AND expires_at > $4",
        principal,
        once.route,
        once.key,
        now,
    )
    if row is not None and row["body_digest"] != once.body_digest:
        raise IdempotencyMismatchError(
            "this Idempotency-Key came before with another body", hint="use a new key for a new change"
        )
    return row


async def _remember(tx: Transaction, change: Change, once: Once, answer: str | None) -> None:
    await tx.execute("DELETE FROM idempotency WHERE expires_at <= $1", change.now)
    await tx.execute(
        "INSERT INTO idempotency (principal, route, key, body_digest, status, answer, expires_at) "
        "VALUES ($1, $2, $3, $4, 200, $5, $6) ON CONFLICT (principal, route, key) DO NOTHING",
        change.operator.actor,
        once.route,
        once.key,
        once.body_digest,
        answer,
        change.now + REMEMBERED_SECONDS,
    )
