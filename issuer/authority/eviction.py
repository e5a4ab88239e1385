"""Evicting and banning sidecars, and taking back what was issued through them.

    evict    sessions end, the key is forgotten: whoever has it, is nobody. The name joins anew with a new join token and any key.
    ban      the sidecar is revoked: its name never joins again, nor does its key under another name.

Either way the keys that it held for agents end. Tokens that it obtained live on until they end, unless they are to be taken back
too: then their status indexes are revoked, and each grant goes on with a fresh one.
"""

from enum import StrEnum

import msgspec

from issuer.audit.store import append
from issuer.authority import store
from issuer.authority.model import Changed, Kind, Stopped, Verb, check_why
from issuer.authority.resolve import resolve
from issuer.authority.stopping import stop, void_index
from issuer.authority.targets import Target, resolved
from issuer.authority.words import Meaning
from issuer.changes import Change
from issuer.errors import ConflictError
from issuer.registry.requests import ShortText
from issuer.registry.state import State
from issuer.status.model import Mark, StatusChange
from issuer.status.store import advance
from issuer.storage import Transaction
from issuer.subjectkeys.losing import end_keys_held_by
from issuer.subjectkeys.model import KeyState


class Removal(StrEnum):
    """How a sidecar is removed."""

    EVICT = "evict"
    BAN = "ban"


class Eviction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a sidecar is removed.

    Attributes:
        reason: why, for the audit log.
        ticket: where it is discussed, for the audit log.
        revoke_issued: whether the tokens that it obtained are taken back too.
    """

    reason: ShortText
    ticket: ShortText | None = None
    revoke_issued: bool = False

    def __post_init__(self) -> None:
        """Refuse what would not print on one line."""
        check_why(self.reason, self.ticket)


async def remove(
    tx: Transaction, change: Change, removal: Removal, name: str, request: Eviction, *, longest_ms: int
) -> Stopped:
    """Evict or ban a sidecar within a transaction.

    Args:
        tx: the transaction.
        change: who wants it, and when.
        removal: which of the two.
        name: the sidecar's.
        request: why, and how much.
        longest_ms: the longest that a token is taken after it was issued.

    Raises:
        NotFoundError: there is no such sidecar.
        ConflictError: it is banned, and is to be evicted.
    """
    meaning = [Meaning(Kind.SIDECAR, name)]
    target = await resolve(tx, change.operator, meaning)
    if target.key is None or (removal is Removal.EVICT and target.state is State.REVOKED):
        raise ConflictError(f"{target.noun} is revoked, which is final", hint="join under another name")
    marks: list[Mark] = []
    if request.revoke_issued:
        await end_keys_held_by(tx, target.key, KeyState.REVOKED, change.now)  # tokens that are bound to them go too
        marks = await _take_back(tx, f"sidecar:{name}", change.at_ms - longest_ms)
    await _end(tx, change, removal, target, target.key)
    detail: dict[str, object] = {
        "what": target.noun,
        "reason": request.reason,
        "ticket": request.ticket,
        "state_before": target.state.value,
        "revoke_issued": request.revoke_issued,
        "changed_grants": len(marks),
    }
    await append(tx, change.record(f"sidecar.{removal.value}", detail))
    now = await resolve(tx, change.operator, meaning)
    wording = StatusChange(
        verb=Verb.REVOKE.value, what=target.noun, account=None, marks=marks, requested_at_ms=change.at_ms
    )
    return Stopped.undated(resolved(now), Changed(len(marks)), await advance(tx, wording), change.at_ms)


async def _end(tx: Transaction, change: Change, removal: Removal, target: Target, sidecar_id: int) -> None:
    """End what the sidecar is to us."""
    if removal is Removal.BAN:
        await stop(tx, target, Verb.REVOKE, change.now)
        return
    await store.end_sessions(tx, sidecar_id)
    await store.forget_key(tx, sidecar_id, change.now)
    await end_keys_held_by(tx, sidecar_id, KeyState.RETIRED, change.now)


async def _take_back(tx: Transaction, actor: str, since_ms: int) -> list[Mark]:
    marks: list[Mark] = []
    for token in await store.tokens_of(tx, actor, since_ms):
        grant = await store.grant_by_id(tx, token.grant_id)
        if grant is not None and grant.state is not State.REVOKED:
            marks += await void_index(tx, grant, token.index)
    return marks
