"""Putting outcomes on record: for each change, how many verifiers enforced it, who stayed silent, and how long it took.

One transaction of each round writes the outcomes that are certain, how far each verifier is, and forgets those that are gone. What is
not written because the database is away, or because the issuer is killed, is written later: a change without an outcome is followed
until it has one.
"""

from collections.abc import Sequence
from typing import Final

from prometheus_client import Histogram

from issuer.audit.model import AuditRecord, Outcome
from issuer.audit.store import append
from issuer.enforcement import store
from issuer.enforcement.following import Following, Verifier
from issuer.enforcement.model import CommittedChange
from issuer.enforcement.watch import Watch
from issuer.storage import Database, Transaction

ACTOR: Final = "issuer"
"""Who the audit log says has seen it."""

_MOST_NAMED: Final = 100
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 300)

_commit_seconds = Histogram(
    "remit_time_to_commit_seconds", "From the request to change authority to its commit", ["verb"], buckets=_BUCKETS
)
_enforce_seconds = Histogram(
    "remit_time_to_enforce_seconds",
    "From the commit until the last registered verifier enforced it, where none stayed silent",
    ["verb"],
    buckets=_BUCKETS,
)


def observe_commit(change: CommittedChange) -> None:
    """Count how long a change took to be committed."""
    _commit_seconds.labels(change.verb).observe(_commit_ms(change) / 1000)


class Settling:
    """Writes what a `Watch` came to know."""

    def __init__(self, database: Database, watch: Watch) -> None:
        """Write what `watch` knows into `database`."""
        self._database = database
        self._watch = watch
        self._written: dict[str, tuple[int, int]] = {}

    async def round(self, now: int, *, flush: bool) -> None:
        """Write what there is to write; `flush`: how far each verifier is, too.

        Raises:
            StorageError: nothing was written; the next round does it.
        """
        for verifier in self._watch.away_too_long(now):
            self._watch.drop(verifier, lapsed=True)
        ripe, gone = list(self._watch.ripe(now)), sorted(self._watch.forgotten)
        progress = self._progress() if flush or ripe else {}
        if not (ripe or gone or progress):
            return
        await self._database.transaction(lambda tx: _write(tx, ripe, gone, progress))
        self._watch.forgotten.difference_update(gone)
        self._written |= progress
        for following in ripe:
            following.settled = True
            _observe(following)
        for instance in gone:
            self._written.pop(instance, None)

    def wrote(self, verifier: Verifier) -> None:
        """Its row says already what it enforces."""
        self._written[verifier.instance] = (verifier.enforced, verifier.seen_at_ms)

    def _progress(self) -> dict[str, tuple[int, int]]:
        """What the verifiers' rows should say, where they say something else."""
        current = {
            one.instance: (one.enforced, one.seen_at_ms)
            for one in self._watch.verifiers.values()
            if one.registered_at_ms
        }
        return {instance: value for instance, value in current.items() if self._written.get(instance) != value}


async def _write(
    tx: Transaction, ripe: Sequence[Following], gone: Sequence[str], progress: dict[str, tuple[int, int]]
) -> None:
    await store.delete_verifiers(tx, gone)
    await store.write_progress(tx, [(instance, *value) for instance, value in progress.items()])
    at_ms = await tx.now_ms()
    for following in ripe:
        settlement = following.settlement
        somebody = settlement.enforced or settlement.silent
        if await store.settle(tx, following.change.seq, settlement) and somebody:
            await append(tx, _record(following, at_ms))


def _record(following: Following, at_ms: int) -> AuditRecord:
    change, settlement = following.change, following.settlement
    return AuditRecord(
        at_ms=at_ms,
        kind="enforcement",
        outcome=Outcome.ALLOWED,
        actor=ACTOR,
        account=change.account,
        detail={
            "what": change.what,
            "verb": change.verb,
            "seq": change.seq,
            "commit_ms": _commit_ms(change),
            "enforced": settlement.enforced,
            "enforced_ms": settlement.enforced_ms,
            "silent": settlement.silent,
            "silent_verifiers": following.silent_names[:_MOST_NAMED],
        },
    )


def _observe(following: Following) -> None:
    settlement = following.settlement
    if settlement.enforced_ms is not None and not settlement.silent:
        _enforce_seconds.labels(following.change.verb).observe(settlement.enforced_ms / 1000)


def _commit_ms(change: CommittedChange) -> int:
    return max(0, change.committed_at_ms - change.requested_at_ms)
