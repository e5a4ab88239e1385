"""Revoking a signing key: what an operator may ask, what is recorded of it, and how verifiers hear of it."""

from issuer.audit.store import append
from issuer.authority.model import Changed, Kind, Stop, Stopped, Verb
from issuer.authority.targets import Target, resolved
from issuer.changes import Applied, Change
from issuer.errors import ConflictError
from issuer.keys import KeyService
from issuer.keys.tainting import Taint
from issuer.registry.roles import Action
from issuer.registry.state import State
from issuer.status.model import StatusChange
from issuer.status.store import advance
from issuer.storage import Transaction


async def taint(keys: KeyService, change: Change, verb: Verb, request: Stop, kid: str) -> Applied[Stopped]:
    """Revoke the signing key `kid`; see `KeyService.taint`.

    Raises:
        NotAllowedError: the operator is no admin.
        ConflictError: it is to be suspended or resumed, which would let what it signed come back to life.
        NotFoundError: there is no such key.
    """
    change.operator.require(Action.ADMINISTER)
    if verb is not Verb.REVOKE:
        raise ConflictError(
            "a signing key is revoked or not at all", hint="`remit key revoke KID`, or `remit key rotate`"
        )
    return await keys.taint(change, kid, lambda tx, decided: _settle(tx, change, request, decided), Stopped)


async def _settle(tx: Transaction, change: Change, request: Stop, decided: Taint) -> Stopped:
    """Record it, and number it if anybody trusted the key."""
    target = Target(kind=Kind.KEY, id=decided.key.kid, state=State.REVOKED)
    detail: dict[str, object] = {
        "what": target.noun,
        "reason": request.reason,
        "ticket": request.ticket,
        "purpose": decided.key.purpose.value,
        "state_before": decided.phase.value,
        "successor": None if decided.successor is None else decided.successor.kid,
    }
    await append(tx, change.record(Verb.REVOKE.value, detail))
    seq = await advance(
        tx,
        StatusChange(
            verb=Verb.REVOKE.value,
            what=target.noun,
            account=None,
            marks=(),
            keys=(decided.key.kid,) if decided.was_trusted else (),
            requested_at_ms=change.at_ms,
        ),
    )
    return Stopped.undated(resolved(target), Changed(0), seq, change.at_ms)
