"""Revoking a token by its holder (RFC 7009): what an operator would revoke by it, whoever has its key may give back."""

from issuer.audit.model import AuditRecord, Outcome
from issuer.audit.store import append
from issuer.authority.model import Verb
from issuer.authority.resolve import find_token
from issuer.authority.stopping import stop
from issuer.authority.targets import Target
from issuer.errors import UnauthenticatedError
from issuer.issuance.model import Caller
from issuer.issuance.presented import holder_of
from issuer.issuance.store import issued
from issuer.registry.state import State
from issuer.status.model import StatusChange
from issuer.status.store import advance
from issuer.storage import Transaction
from remit.dpop import Proof
from remit.errors import ProofRefusedError


async def revoke_held(tx: Transaction, jti: str, proof: Proof, at_ms: int, *, body_covered: bool) -> bool:
    """Revoke what a token stands for, if the proof is its holder's; otherwise nothing happens, and nothing is said of why.

    Args:
        tx: the transaction.
        jti: the token's.
        proof: of the request, verified and used up.
        at_ms: milliseconds since the epoch.
        body_covered: whether the proof covers the request's body.

    Returns:
        Whether anything was revoked that was not before; only that is recorded, for whoever has a key may ask as often as they like.
    """
    record = await issued(tx, jti)
    target = await find_token(tx, jti)
    if record is None or target is None:
        return False
    try:
        holder = await holder_of(tx, record, proof, body_covered=body_covered)
    except (ProofRefusedError, UnauthenticatedError):
        return False
    marks = await stop(tx, target, Verb.REVOKE, at_ms // 1000)
    if not marks and (target.held[0].task is None or target.state is State.REVOKED):
        return False
    await append(tx, _record(holder, target, len(marks), at_ms))
    change = StatusChange(
        verb=Verb.REVOKE.value, what=target.noun, account=target.account, marks=marks, requested_at_ms=at_ms
    )
    await advance(tx, change)
    return True


def _record(holder: Caller, target: Target, grants: int, at_ms: int) -> AuditRecord:
    detail: dict[str, object] = {
        "what": target.noun,
        "reason": "its holder gave it back",
        "state_before": target.state.value,
        "changed_grants": grants,
    }
    return AuditRecord(
        at_ms=at_ms,
        kind=Verb.REVOKE.value,
        outcome=Outcome.ALLOWED,
        actor=holder.actor,
        account=target.account,
        agent=target.agent,
        grant_id=target.held[0].id,
        detail=detail,
    )
