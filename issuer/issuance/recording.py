"""The record of issuances: guarded by a re-read of what they rest on, written with their audit entries, all or nothing each.

Between the decision and this record an operator may have revoked, suspended or changed something. The writer runs one unit of
work at a time, so what is re-read here cannot change before the commit: a revocation is either seen here, and voids the token,
or comes after, and covers its status index.
"""

from collections.abc import Sequence
from enum import Enum

import msgspec
from msgspec import Struct

from attestors.errors import EvidenceRefusedError
from issuer.attestation.service import use_up
from issuer.audit.model import AuditRecord, Outcome
from issuer.audit.store import append_many
from issuer.issuance import store
from issuer.issuance.model import IssuanceRequest, Link
from issuer.issuance.signing import Signed
from issuer.storage import Transaction
from remit.errors import RemitError


class Refusal(Struct, frozen=True):
    """A request that gets nothing, and why."""

    request: IssuanceRequest
    error: RemitError


class Fate(Enum):
    """What became of the tokens of one request."""

    RECORDED = "recorded"
    """They may leave."""
    VOID = "void"
    """Something that they rest on changed; decide anew."""
    REPLAYED = "replayed"
    """Their evidence may be used once, and was used before."""


async def record(
    tx: Transaction, signed: Sequence[Sequence[Signed]], refused: Sequence[Refusal], *, kid: str, now_ms: int
) -> list[Fate]:
    """Write what was signed and what was refused.

    Args:
        tx: the transaction.
        signed: the tokens of each request; a request is recorded whole or not at all.
        refused: requests that get nothing.
        kid: the key that signed.
        now_ms: milliseconds since the epoch.

    Returns:
        The fate of each request of `signed`; what was not recorded must not leave.
    """
    tokens = [token for request in signed for token in request]
    changed = await store.changed(tx, frozenset().union(*(token.decision.basis.rests_on for token in tokens)))
    latest = max((token.decision.expires_at for token in tokens), default=0)
    trusted = not tokens or await store.key_may_sign(tx, kid, latest)
    fates = [await _fate(tx, request, changed, now_ms // 1000) if trusted else Fate.VOID for request in signed]
    kept = [request for request, fate in zip(signed, fates, strict=True) if fate is Fate.RECORDED]
    await append_many(tx, [_issued(token, kid, now_ms) for request in kept for token in request])
    await append_many(tx, [_refused(refusal, now_ms) for refusal in refused])
    return fates


async def _fate(tx: Transaction, request: Sequence[Signed], changed: frozenset[Link], now: int) -> Fate:
    if changed and not all(changed.isdisjoint(token.decision.basis.rests_on) for token in request):
        return Fate.VOID
    appraisal = request[0].decision.request.appraisal
    if appraisal.use_once is not None:
        try:
            await use_up(tx, appraisal, now)
        except EvidenceRefusedError:
            return Fate.REPLAYED
    return Fate.RECORDED


def _issued(signed: Signed, kid: str, now_ms: int) -> AuditRecord:
    decision, basis = signed.decision, signed.decision.basis
    detail = _asked(decision.request)
    detail |= {
        "kid": kid,
        "exp": decision.expires_at,
        "entry": basis.entry.link.id,
        "scope": msgspec.Raw(basis.scope),
        "status": [basis.index.list, basis.index.idx],
    }
    return AuditRecord(
        at_ms=now_ms,
        kind="issuance",
        outcome=Outcome.ALLOWED,
        actor=decision.request.caller.actor,
        account=basis.entry.agent.partition("/")[0],
        agent=basis.entry.agent,
        jti=signed.jti,
        grant_id=basis.grant.id,
        detail=detail,
    )


def _refused(refusal: Refusal, now_ms: int) -> AuditRecord:
    request = refusal.request
    scope = None if request.scope is None else msgspec.Raw(request.scope.encode())
    return AuditRecord(
        at_ms=now_ms,
        kind="issuance",
        outcome=Outcome.REFUSED,
        actor=request.caller.actor,
        account=None if request.agent is None else request.agent.account,
        agent=None if request.agent is None else str(request.agent),
        detail=_asked(request) | {"code": refusal.error.code, "why": refusal.error.detail, "scope": scope},
    )


def _asked(request: IssuanceRequest) -> dict[str, object]:
    """What was asked, for the audit log; the order of a set is not meaningful, so selectors are sorted."""
    return {
        "audience": request.audience,
        "task": request.task,
        "reason": request.reason,
        "evidence": request.appraisal.subject,
        "selectors": sorted(request.selectors),
    }
