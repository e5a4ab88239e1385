"""The door to agents' keys: registering one, looking at them, revoking one."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from attestors.base import Appraisal
from issuer.attestation.service import use_up
from issuer.audit.model import AuditRecord, Outcome
from issuer.audit.store import append
from issuer.changes import Change, apply
from issuer.did.changes import note_keys
from issuer.errors import ConflictError, NotFoundError, UnauthenticatedError
from issuer.issuance import store as issuances
from issuer.issuance.entitlement import active_candidates
from issuer.issuance.model import Caller, Candidate, IssuanceRequest
from issuer.registry.model import Page
from issuer.registry.roles import Operator
from issuer.status.model import StatusChange
from issuer.status.store import advance
from issuer.status.voiding import void_agent_of_key
from issuer.storage import Database, Transaction
from issuer.subjectkeys import store
from issuer.subjectkeys.model import (
    KeyState,
    Registration,
    SubjectKey,
    check_known,
    check_pace,
    replaced_by,
)
from remit.errors import InvalidInputError
from remit.ids import AgentName

_DAY: Final = 86_400


class SubjectKeys:
    """The keys of one issuer's agents."""

    def __init__(self, database: Database, issuer: str, changed: Callable[[], None] = lambda: None) -> None:
        """Keep them in `database`; `issuer` is its public URL, and `changed` is called when a status has changed."""
        self._database = database
        self._issuer = issuer
        self._changed = changed

    async def register(
        self, wanted: Registration, caller: Caller, appraisal: Appraisal, agent: AgentName | None, now_ms: int
    ) -> SubjectKey:
        """Register a key for the agent that evidence entitles to, in place of the one in the same hand.

        The caller has verified a proof by the key. Registering the active key again changes nothing.

        Args:
            wanted: the key.
            caller: who showed the evidence; only entries of that parent apply.
            appraisal: what the evidence showed; it is used up by this, if it may be used once.
            agent: the agent that is meant, or None for the only one.
            now_ms: milliseconds since the epoch.

        Raises:
            NotEntitledError: no entry (`no_entry`), several agents (`ambiguous_agent`), one that is not active
                (`agent_not_active`), or too many keys within a day (`too_many_keys`).
            ConflictError: the key is another subject's or another hand's, or was retired or revoked.
            UnauthenticatedError: the sidecar is not active any more.
            EvidenceRefusedError: the evidence was used before.
            InvalidInputError: a key held by a sidecar, from a workload without one.
        """
        if wanted.held_by == "sidecar" and caller.sidecar_id is None:
            raise InvalidInputError("there is no sidecar to hold the key", code="malformed_request")
        request = IssuanceRequest(caller=caller, appraisal=appraisal, audience=self._issuer, agent=agent, single=True)

        async def work(tx: Transaction) -> SubjectKey:
            await _require_sidecar(tx, caller)
            (entry,) = await active_candidates(tx, request)
            await use_up(tx, appraisal, now_ms // 1000)
            return await _register(tx, wanted, caller, entry, now_ms)

        return await self._database.transaction(work)

    async def revoke(self, change: Change, jkt: str, reason: str) -> SubjectKey:
        """Revoke a key, for good, and every token that its agent has now, with what was delegated from it; again changes nothing.

        The agent goes on: its grants get fresh status indexes at the next issuance, and another key can be registered.

        Raises:
            NotFoundError: there is no such key that the operator sees.
        """
        revoked = (await apply(self._database, change, lambda tx: _revoke(tx, change, jkt, reason), SubjectKey)).answer
        self._changed()
        return revoked

    async def keys(self, viewer: Operator, page: Page, agent: AgentName | None) -> Sequence[SubjectKey]:
        """A page of the keys that `viewer` sees, the oldest first, of one agent if given; the cursor is a thumbprint."""
        of_agent = None if agent is None else (agent.account, agent.path)
        return await self._database.read(lambda tx: store.list_keys(tx, page, account=viewer.account, agent=of_agent))


async def _revoke(tx: Transaction, change: Change, jkt: str, reason: str) -> SubjectKey:
    key = await store.find_key(tx, jkt)
    agent = None if key is None else AgentName.parse(key.subject)
    if key is None or agent is None or change.operator.account not in (None, agent.account):
        raise NotFoundError("there is no such key of an agent", hint="`remit agent key list` shows them")
    if key.state is KeyState.REVOKED:
        return key
    await store.end_key(tx, jkt, KeyState.REVOKED, change.now)
    await note_keys(tx, agent, change.now)
    marks = await void_agent_of_key(tx, jkt)
    detail: dict[str, object] = {"jkt": jkt, "reason": reason, "grants": len(marks)}
    await append(tx, change.record("key.revoke", detail, account=agent.account, agent=key.subject))
    what = f"a key of agent {key.subject}"
    status = StatusChange(verb="revoke", what=what, account=agent.account, marks=marks, requested_at_ms=change.at_ms)
    await advance(tx, status)
    return msgspec.structs.replace(key, state=KeyState.REVOKED, retired_at=key.retired_at or change.now)


async def _require_sidecar(tx: Transaction, caller: Caller) -> None:
    if caller.sidecar_id is not None and not await issuances.sidecars(tx, {caller}):
        raise UnauthenticatedError("the sidecar is not active", code="session_invalid")


async def _register(tx: Transaction, wanted: Registration, caller: Caller, entry: Candidate, now_ms: int) -> SubjectKey:
    now, held = now_ms // 1000, wanted.held_by == "sidecar"
    sidecar = caller.actor.partition(":")[2] if held else None
    known = await store.find_key(tx, wanted.jkt)
    if check_known(known, wanted, entry.agent, sidecar) and known is not None:
        return known
    if await store.is_taken(tx, wanted.jkt):
        raise ConflictError("this key is registered for an account", hint="make a key of the agent's own")
    check_pace(await store.registered_since(tx, entry.agent_id, now - _DAY))
    active = [key for key in await store.keys_of_agent(tx, entry.agent_id) if key.state is KeyState.ACTIVE]
    replaced = replaced_by(active, wanted, sidecar)
    for key in replaced:
        await store.end_key(tx, key.jkt, KeyState.RETIRED, now)
    await store.insert_key(tx, wanted, entry.agent_id, caller.sidecar_id if held else None, now)
    await note_keys(tx, AgentName.parse(entry.agent), now)
    await append(tx, _record(wanted, caller, entry, [key.jkt for key in replaced], now_ms))
    return SubjectKey(
        jkt=wanted.jkt,
        subject=entry.agent,
        held_by=wanted.held_by,
        sidecar=sidecar,
        jwk=wanted.jwk,
        state=KeyState.ACTIVE,
        created_at=now,
        retired_at=None,
    )


def _record(
    wanted: Registration, caller: Caller, entry: Candidate, replaced: Sequence[str], now_ms: int
) -> AuditRecord:
    return AuditRecord(
        at_ms=now_ms,
        kind="key.rotate" if replaced else "key.register",
        outcome=Outcome.ALLOWED,
        actor=caller.actor,
        account=entry.agent.partition("/")[0],
        agent=entry.agent,
        detail={"jkt": wanted.jkt, "held_by": wanted.held_by, "entry": entry.link.id, "replaces": list(replaced)},
    )
