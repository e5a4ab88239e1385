"""Suspending, resuming and revoking one thing, within a transaction, with everything that follows from it.

Nothing is ever deleted: a row that is gone could be taken for one that was never revoked.
"""

from issuer.authority import store
from issuer.authority.model import Kind, Verb, next_state
from issuer.authority.targets import HeldGrant, Target
from issuer.errors import NotAllowedError
from issuer.registry.roles import Action, Operator
from issuer.registry.state import State
from issuer.status import recompute
from issuer.status.model import Mark, StatusIndex
from issuer.storage import Transaction


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


async def stop(tx: Transaction, target: Target, verb: Verb) -> list[Mark]:
    """Do `verb` to `target`; returns what the status lists say otherwise now.

    Raises:
        ConflictError: it is revoked, and is to be suspended or resumed.
    """
    state = next_state(target.state, verb, target.noun)
    match target.kind:
        case Kind.ACCOUNT | Kind.AGENT | Kind.SIDECAR | Kind.OPERATOR:
            if state is target.state:
                return []
            key = target.id if target.key is None else target.key
            await store.set_state(tx, target.kind, key, state)
            return await _recompute_below(tx, target)
        case Kind.TOKEN if verb is Verb.REVOKE and target.held[0].task is None and target.index is not None:
            return await _revoke_token(tx, target.held[0], target.index)
        case Kind.GRANT | Kind.TASK | Kind.TOKEN:
            living = [grant for grant in target.held if grant.state is not State.REVOKED]
            return [mark for grant in living for mark in await _stop_grant(tx, grant, state)]


async def _recompute_below(tx: Transaction, target: Target) -> list[Mark]:
    if target.kind is Kind.ACCOUNT and target.key is not None:
        return await recompute.below_account(tx, target.key)
    if target.kind is Kind.AGENT and target.key is not None:
        return await recompute.below_agent(tx, target.key)
    return []


async def _stop_grant(tx: Transaction, grant: HeldGrant, state: State) -> list[Mark]:
    if state is grant.state:
        return []
    await store.set_state(tx, Kind.GRANT, grant.id, state)
    return await recompute.below_grant(tx, grant.id)


async def _revoke_token(tx: Transaction, grant: HeldGrant, index: StatusIndex) -> list[Mark]:
    """Revoke a token of a standing grant: its index is invalid for good, and the grant goes on with another one."""
    if grant.index == index:
        await store.take_index(tx, grant.id)
    return await recompute.retire_index(tx, index)
