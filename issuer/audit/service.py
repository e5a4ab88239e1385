"""The door to the audit log: reading it, and recording a refusal that changed nothing else."""

from typing import Final

from prometheus_client import Counter

from issuer.audit import store
from issuer.audit.model import AuditQuery, AuditRecord, RecordedDecision
from issuer.audit.pacing import Paces
from issuer.storage import Database

ANONYMOUS: Final = "anonymous"
"""The actor of a request that nobody known made."""

PROVIDER: Final = "provider:"
"""How the actor of a provider's request begins."""

_refusals = Counter("remit_refusals_total", "Requests and evidence that were refused, by code", ["code"])


class AuditLog:
    """The audit log of one issuer.

    Every refusal is recorded. Only those of anonymous callers are bounded, because anybody on the network can cause
    them and the log never shrinks: for each code a burst of 100, then 6 a minute (some 3 MB a day at worst). So are those of
    each provider, whose programs are not ours. What is beyond that is counted in `remit_refusals_unrecorded_total`. A refusal
    of any other known caller is always recorded. Issuance bounds those of workloads without a sidecar in the same way.
    """

    def __init__(self, database: Database) -> None:
        """Keep the log in `database`."""
        self._database = database
        self._paces = Paces()

    async def query(self, which: AuditQuery) -> list[RecordedDecision]:
        """Read records, oldest first."""
        return await self._database.read(lambda tx: store.query(tx, which))

    async def record_refusal(self, code: str, record: AuditRecord) -> None:
        """Record a refusal in a transaction of its own.

        Args:
            code: the refusal's stable code, one of a fixed set.
            record: what was refused; its `actor` decides whether the bound above holds.
        """
        _refusals.labels(code).inc()
        bounded = record.actor == ANONYMOUS or record.actor.startswith(PROVIDER)
        if bounded and not self._paces.admits(code, record.actor, record.at_ms):
            return
        await self._database.transaction(lambda tx: store.append(tx, record))
