"""Suspending, resuming and revoking one thing, within a transaction, with everything that follows from it.

Nothing is ever deleted: a row that is gone could be taken for one that was never revoked.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from issuer.authority import store
from issuer.authority.model import Kind, Verb, next_state
from issuer.authority.targets import HeldGrant, Target
from issuer.did.changes import note_state
from issuer.errors import NotAllowedError
from issuer.registry.roles import Action, Operator
from issuer.registry.state import State
from issuer.registry.store.providers import set_provider_state
from issuer.status import recompute, voiding
from issuer.status.model import Mark, StatusIndex
from issuer.storage import Transaction
from issuer.subjectkeys.losing import end_keys_held_by
from issuer.subjectkeys.model import KeyState
from remit.ids import AccountName, AgentName


def require_may_stop(operator: Operator, target: Target) -> None:
    """Return when `operator`, who sees `target`, may also stop it.

    Raises:
        NotAllowedError: it is an operator, and they are no admin or it is themselves; or it is the account that they are
            limited to: what was suspended above them they cannot resume.
    """
    if target.kind is Kind.OPERATOR:
        operator.require(Action.ADMINISTER)
        if target.id == operator.name:
            raise NotAllowedError("operators cannot stop themselves", hint="ask another admin")
    if target.kind is Kind.ACCOUNT and operator.account is not None:
        raise NotAllowedError(
            "an operator of one account may not stop the account itself", hint="name its agents, or ask an admin"
        )


async def stop(tx: Transaction, target: Target, verb: Verb, now: int) -> list[Mark]:
    """Do `verb` to `target`, which is no signing key, at `now`; returns what the status lists say otherwise now.

    Raises:
        ConflictError: it is revoked, and is to be suspended or resumed.
    """
    state = next_state(target.state, verb, target.noun)
    if target.kind is Kind.TOKEN and verb is Verb.REVOKE and target.held[0].task is None and target.index is not None:
        return await void_index(tx, target.held[0], target.index)
    if target.kind in _HELD:
        living = [grant for grant in target.held if grant.state is not State.REVOKED]
        if verb is Verb.COMPLETE:
            return (await complete(tx, living, now)).marks
        return [mark for grant in living for mark in await _stop_grant(tx, grant, state)]
    if state is target.state:
        return []
    return await _stop_one(tx, target, state, now)


_HELD: Final = frozenset({Kind.GRANT, Kind.TASK, Kind.TOKEN})
"""What is no thing of its own, but one grant or several."""


async def _stop_one(tx: Transaction, target: Target, state: State, now: int) -> list[Mark]:
    """Write the state of something that has a row of its own, and do what follows from it."""
    if target.kind is Kind.PROVIDER:
        await set_provider_state(tx, target.id, state)
        return []
    if target.key is None:
        await store.set_state(tx, target.kind, target.id, state)
        return []
    await store.set_state(tx, target.kind, target.key, state)
    match target.kind:
        case Kind.ACCOUNT:
            await note_state(tx, AccountName.parse(target.id), now)
            return await recompute.below_account(tx, target.key, now)
        case Kind.AGENT:
            await note_state(tx, AgentName.parse(target.id), now)
            return await recompute.below_agent(tx, target.key, now)
        case Kind.PERSON:
            return await recompute.of_person(tx, target.key)
        case Kind.SIDECAR if state is not State.ACTIVE:
            await store.end_sessions(tx, target.key)
            if state is State.REVOKED:
                await end_keys_held_by(tx, target.key, KeyState.RETIRED, now)
    return []


async def _stop_grant(tx: Transaction, grant: HeldGrant, state: State) -> list[Mark]:
    if state is grant.state:
        return []
    await store.set_state(tx, Kind.GRANT, grant.id, state)
    return await recompute.below_grant(tx, grant.id)


class Completed(Struct, frozen=True):
    """What completing came to: how many grants are revoked now that were not, and what the status lists say otherwise."""

    grants: int
    marks: list[Mark]


async def complete(tx: Transaction, held: Sequence[HeldGrant], now: int) -> Completed:
    """Revoke a task's grants and everything that was delegated or opened below them, as complete at `now`."""
    grants, marks = 0, list[Mark]()
    for grant in held:
        grants += await store.complete(tx, grant.id, now)
        marks += await recompute.below_grant(tx, grant.id)
    return Completed(grants, marks)


async def void_index(tx: Transaction, grant: HeldGrant, index: StatusIndex) -> list[Mark]:
    """Revoke the tokens that name an index, and what was delegated from them, for good; their grant goes on with a fresh one."""
    if grant.index == index and grant.state is not State.REVOKED:
        return await voiding.void_grant(tx, grant.id)
    return await recompute.retire_index(tx, index)
