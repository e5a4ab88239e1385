"""The door to authority: resolving words, and suspending, resuming or revoking what they mean.

One transaction finds the thing, changes its state, recomputes the status of every grant below it, writes the audit record
and numbers the change. Whatever an issuance read before is void then: the revisions that it compares have grown.
"""

from collections.abc import Callable

import msgspec

from issuer.audit.model import AuditRecord
from issuer.audit.store import append
from issuer.authority.model import Changed, Kind, Question, Resolved, Stop, Stopped, Verb
from issuer.authority.resolve import resolve
from issuer.authority.stopping import require_may_stop, stop
from issuer.authority.targets import Target, by_account, resolved
from issuer.authority.words import Meaning, meanings
from issuer.changes import Change, apply
from issuer.registry.roles import Operator
from issuer.status.model import Mark, StatusChange
from issuer.status.store import advance
from issuer.storage import Database, Transaction
from remit.ids import TrustDomain


class Authority:
    """Who may still do what, and the end of it."""

    def __init__(
        self, database: Database, *, trust_domain: TrustDomain, host: str, clock_ms: Callable[[], int]
    ) -> None:
        """Decide over what `database` holds.

        Args:
            database: where.
            trust_domain: the only one whose SPIFFE IDs mean something here.
            host: host and port of the public URL, which DIDs are under.
            clock_ms: milliseconds since the epoch; read after a commit, to say when it was.
        """
        self._database = database
        self._trust_domain = trust_domain
        self._host = host
        self._clock_ms = clock_ms

    async def resolve(self, operator: Operator, question: Question) -> Resolved:
        """Say what words mean, changing nothing.

        Raises:
            InvalidInputError: see `meanings`.
            NotFoundError: see `resolve`.
            AmbiguousNameError: see `resolve`.
        """
        possible = self._meanings(question.what)
        return resolved(await self._database.read(lambda tx: resolve(tx, operator, possible)))

    async def stop(self, change: Change, verb: Verb, request: Stop) -> Stopped:
        """Suspend, resume or revoke what words mean. When this returns it is durable and no new token gets past it.

        Raises:
            InvalidInputError: see `meanings`.
            NotFoundError: see `resolve`.
            AmbiguousNameError: see `resolve`.
            ConflictError: it is revoked, and is to be suspended or resumed.
            NotAllowedError: see `require_may_stop`.
        """
        possible = self._meanings(request.what)
        applied = await apply(self._database, change, lambda tx: _stop(tx, change, verb, request, possible), Stopped)
        if applied.repeated:
            return applied.answer
        return msgspec.structs.replace(applied.answer, committed_at_ms=self._clock_ms())

    def _meanings(self, what: str) -> tuple[Meaning, ...]:
        return meanings(what, self._trust_domain, self._host)


async def _stop(tx: Transaction, change: Change, verb: Verb, request: Stop, possible: tuple[Meaning, ...]) -> Stopped:
    target = await resolve(tx, change.operator, possible)
    require_may_stop(change.operator, target)
    marks: list[Mark] = []
    for part in by_account(target):  # each account's owner finds it in their log
        changed = await stop(tx, part, verb)
        await append(tx, _record(change, verb, request, part, len(changed)))
        marks += changed
    now = await resolve(tx, change.operator, [Meaning(target.kind, target.id)])
    seq = await advance(
        tx,
        StatusChange(
            verb=verb.value, what=target.noun, account=target.account, marks=marks, requested_at_ms=change.at_ms
        ),
    )
    return Stopped(resolved=resolved(now), changed=Changed(len(marks)), seq=seq, committed_at_ms=change.at_ms)


def _record(change: Change, verb: Verb, request: Stop, target: Target, grants: int) -> AuditRecord:
    single = target.held[0].id if len(target.held) == 1 and target.kind is not Kind.TASK else None
    detail: dict[str, object] = {
        "what": target.noun,
        "reason": request.reason,
        "ticket": request.ticket,
        "state_before": target.state.value,
        "changed_grants": grants,
    }
    return change.record(verb.value, detail, account=target.account, agent=target.agent, grant_id=single)
