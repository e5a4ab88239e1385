"""The door to authority: resolving words, and suspending, resuming or revoking what they mean.

One transaction finds the thing, changes its state, recomputes the status of every grant below it, writes the audit record
and numbers the change. Whatever an issuance read before is void then: the revisions that it compares have grown.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from issuer.attestation import ActiveSidecar
from issuer.audit.model import AuditRecord
from issuer.audit.store import append
from issuer.authority.completing import complete_for
from issuer.authority.eviction import Eviction, Removal, remove
from issuer.authority.model import Changed, Completion, Kind, Question, Resolved, Stop, Stopped, TaskDone, Verb
from issuer.authority.resolve import resolve, resolve_task
from issuer.authority.stopping import require_may_stop, stop
from issuer.authority.tainting import taint
from issuer.authority.targets import Target, by_account, resolved
from issuer.authority.tokens import revoke_held
from issuer.authority.words import Meaning, Vocabulary, meanings
from issuer.changes import Applied, Change, apply
from issuer.enforcement.model import Bounds
from issuer.errors import NotFoundError
from issuer.keys import KeyService
from issuer.registry.roles import Operator
from issuer.status.model import Mark, StatusChange
from issuer.status.store import advance
from issuer.storage import Database, Transaction
from remit.dpop import Proof

_JTI: Final = "jti:"
"""The prefix of a word that is a token's id."""


class Authority:
    """Who may still do what, and the end of it."""

    def __init__(
        self,
        database: Database,
        keys: KeyService,
        vocabulary: Vocabulary,
        bounds: Bounds,
        *,
        clock_ms: Callable[[], int],
        changed: Callable[[], None],
    ) -> None:
        """Decide over what `database` holds.

        Args:
            database: where.
            keys: the signing keys, which are stopped too.
            vocabulary: what words mean here.
            bounds: for how long after a change those may go on who do not hear of it.
            clock_ms: milliseconds since the epoch; read after a commit, to say when it was.
            changed: is called after each commit that changed authority, to tell those who listen.
        """
        self._database = database
        self._keys = keys
        self._vocabulary = vocabulary
        self._bounds = bounds
        self._clock_ms = clock_ms
        self._changed = changed

    async def resolve(self, operator: Operator, question: Question) -> Resolved:
        """Say what words mean, changing nothing.

        Raises:
            InvalidInputError: see `meanings`.
            NotFoundError: see `resolve`.
            AmbiguousNameError: see `resolve`.
        """
        possible = meanings(question.what, self._vocabulary)
        return resolved(await self._database.read(lambda tx: resolve(tx, operator, possible)))

    async def stop(self, change: Change, verb: Verb, request: Stop) -> Stopped:
        """Suspend, resume or revoke what words mean. When this returns it is durable and no new token gets past it.

        Raises:
            InvalidInputError: see `meanings`.
            NotFoundError: see `resolve`.
            AmbiguousNameError: see `resolve`.
            ConflictError: it is revoked, and is to be suspended or resumed; see also `taint`.
            NotAllowedError: see `require_may_stop` and `taint`.
        """
        possible = meanings(request.what, self._vocabulary)
        if possible and possible[0].kind is Kind.KEY:
            return self._told(await taint(self._keys, change, verb, request, possible[0].name))

        async def work(tx: Transaction) -> Stopped:
            target = await resolve(tx, change.operator, possible)
            require_may_stop(change.operator, target)

            async def find() -> Target:
                return await resolve(tx, change.operator, [Meaning(target.kind, target.id)])

            return await stop_and_record(tx, change, verb, request, find)

        return self._told(await apply(self._database, change, work, Stopped))

    async def complete(self, change: Change, request: Completion) -> Stopped:
        """Revoke a task's grants and all that is below them, because it is done: of every agent that the operator sees, or of one.

        Raises:
            NotFoundError: the operator sees no grant for it.
        """

        async def work(tx: Transaction) -> Stopped:
            async def find() -> Target:
                return await resolve_task(tx, change.operator, request.task, request.agent)

            return await stop_and_record(tx, change, Verb.COMPLETE, request.stop, find)

        return self._told(await apply(self._database, change, work, Stopped))

    async def complete_for(self, sidecar: ActiveSidecar, done: TaskDone, at_ms: int) -> int:
        """Revoke the grants of an agent's task and all that is below them, because its sidecar says that it is done.

        Returns:
            How many grants are revoked now that were not before.

        Raises:
            NotEntitledError: neither the agent nor one above it is for the workloads of this sidecar (`no_entry`).
        """
        grants = await self._database.transaction(lambda tx: complete_for(tx, sidecar, done, at_ms))
        if grants:
            self._changed()
        return grants

    async def revoke_token(self, change: Change, jti: str) -> None:
        """Revoke what a token stands for, if the operator sees it; whether they do is not said.

        Raises:
            UnauthenticatedError: the operator was suspended or revoked meanwhile.
        """
        with suppress(NotFoundError):
            await self.stop(change, Verb.REVOKE, Stop(f"{_JTI}{jti}", "revoked at the revocation endpoint"))

    async def revoke_held_token(self, jti: str, proof: Proof, at_ms: int, *, body_covered: bool) -> None:
        """Revoke what a token stands for, if the proof is its holder's; see `revoke_held`."""
        if await self._database.transaction(lambda tx: revoke_held(tx, jti, proof, at_ms, body_covered=body_covered)):
            self._changed()

    async def remove_sidecar(self, change: Change, removal: Removal, name: str, request: Eviction) -> Stopped:
        """Evict or ban a sidecar; see `issuer.authority.eviction.remove`."""
        longest_ms = self._bounds.offline_ms
        applied = await apply(
            self._database,
            change,
            lambda tx: remove(tx, change, removal, name, request, longest_ms=longest_ms),
            Stopped,
        )
        return self._told(applied)

    def _told(self, applied: Applied[Stopped]) -> Stopped:
        """The answer, once those who listen are woken."""
        if applied.repeated:
            return applied.answer.committed(applied.answer.committed_at_ms, self._bounds)
        self._changed()
        return applied.answer.committed(self._clock_ms(), self._bounds)


async def stop_and_record(
    tx: Transaction, change: Change, verb: Verb, request: Stop, find: Callable[[], Awaitable[Target]]
) -> Stopped:
    """Do `verb` to what `find` finds, record it for each account that it concerns, and number the change."""
    target = await find()
    marks: list[Mark] = []
    for part in by_account(target):  # each account's owner finds it in their log
        changed = await stop(tx, part, verb, change.now)
        await append(tx, _record(change, verb, request, part, len(changed)))
        marks += changed
    now = await find()
    seq = await advance(
        tx,
        StatusChange(
            verb=verb.value, what=target.noun, account=target.account, marks=marks, requested_at_ms=change.at_ms
        ),
    )
    return Stopped.undated(resolved(now), Changed(len(marks)), seq, change.at_ms)


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
