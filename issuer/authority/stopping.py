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
from issuer.status.model import StatusIndex
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


async def stop(tx: Transaction, target: Target, verb: Verb) -> int:
    """Do `verb` to `target`; returns how many grants are worth something else now.

    Raises:
        ConflictError: it is revoked, and is to be suspended or resumed.
    """
    state = next_state(target.state, verb, target.noun)
    match target.kind:
        case Kind.ACCOUNT | Kind.AGENT | Kind.SIDECAR | Kind.OPERATOR:
            if state is target.state:
                return 0
            key = target.id if target.key is None else target.key
            await store.set_state(tx, target.kind, key, state)
            return await _recompute_below(tx, target, state)
        case Kind.TOKEN if verb is Verb.REVOKE and target.held[0].task is None and target.index is not None:
            return await _revoke_token(tx, target.held[0], target.index)
        case Kind.GRANT | Kind.TASK | Kind.TOKEN:
            living = [grant for grant in target.held if grant.state is not State.REVOKED]
            return sum([await _stop_grant(tx, grant, state) for grant in living])


async def _recompute_below(tx: Transaction, target: Target, state: State) -> int:
    if target.kind is Kind.ACCOUNT and target.key is not None:
        return await recompute.below_account(tx, target.key, state)
    if target.kind is Kind.AGENT and target.key is not None:
        return await recompute.below_agent(tx, target.key)
    return 0


async def _stop_grant(tx: Transaction, grant: HeldGrant, state: State) -> int:
    if state is grant.state:
        return 0
    await store.set_state(tx, Kind.GRANT, grant.id, state)
    return await recompute.below_grant(tx, grant.id, grant.agent_id)


async def _revoke_token(tx: Transaction, grant: HeldGrant, index: StatusIndex) -> int:
    """Revoke a token of a standing grant: its index is invalid for good, and the grant goes on with another one."""
    if grant.index == index:
        await store.take_index(tx, grant.id)
    return await recompute.retire_index(tx, index)
