"""The record of issuances: guarded by a re-read of what they rest on, written with their audit entries, all or nothing each.

Between the decision and this record an operator may have revoked, suspended or changed something. The writer runs one unit of
work at a time, so what is re-read here cannot change before the commit: a revocation is either seen here, and voids the token,
or comes after, and covers its status index.
"""

from collections.abc import Sequence
from enum import Enum
from itertools import accumulate
from typing import Final

import msgspec
from msgspec import Struct

from attestors.errors import EvidenceRefusedError
from issuer.attestation.service import use_up
from issuer.audit.model import AuditRecord, Outcome
from issuer.audit.store import append_many
from issuer.issuance import store
from issuer.issuance.model import IssuanceRequest, Link
from issuer.issuance.signing import Draft
from issuer.storage import Transaction
from remit.errors import RemitError

_MOST_OF_TEXT: Final = 256
_MOST_OF_SCOPE: Final = 1024
_MOST_OF_SELECTORS: Final = 4096
"""Most characters that the record of a refusal takes over from what was asked and shown."""


class Refusal(Struct, frozen=True):
    """A request that gets nothing, and why.

    Attributes:
        request: what was asked.
        error: why not.
        on_behalf_of: what its audience would have been told of the person on whose behalf, or None.
    """

    request: IssuanceRequest
    error: RemitError
    on_behalf_of: str | None = None


class Fate(Enum):
    """What became of the tokens of one request."""

    RECORDED = "recorded"
    """They may leave."""
    VOID = "void"
    """Something that they rest on changed; decide anew."""
    REPLAYED = "replayed"
    """Their evidence may be used once, and was used before."""


async def record(
    tx: Transaction, drafts: Sequence[Sequence[Draft]], refused: Sequence[Refusal], *, kid: str, now_ms: int
) -> list[Fate]:
    """Write what is issued and what is refused.

    Args:
        tx: the transaction.
        drafts: the tokens of each request; a request is recorded whole or not at all.
        refused: requests that get nothing.
        kid: the key that signs.
        now_ms: milliseconds since the epoch.

    Returns:
        The fate of each request of `drafts`; what was not recorded must not leave.
    """
    tokens = [token for request in drafts for token in request]
    changed = await store.changed(tx, frozenset().union(*(token.decision.basis.rests_on for token in tokens)))
    latest = max((token.decision.expires_at for token in tokens), default=0)
    trusted = not tokens or await store.key_may_sign(tx, kid, latest)
    fates = [await _fate(tx, request, changed, now_ms // 1000) if trusted else Fate.VOID for request in drafts]
    kept = [request for request, fate in zip(drafts, fates, strict=True) if fate is Fate.RECORDED]
    await append_many(tx, [_issued(token, kid, now_ms) for request in kept for token in request])
    await append_many(tx, [_refused(refusal, now_ms) for refusal in refused])
    return fates


async def _fate(tx: Transaction, request: Sequence[Draft], changed: frozenset[Link], now: int) -> Fate:
    if changed and not all(changed.isdisjoint(token.decision.basis.rests_on) for token in request):
        return Fate.VOID
    appraisal = request[0].decision.request.appraisal
    if appraisal.use_once is not None:
        try:
            await use_up(tx, appraisal, now)
        except EvidenceRefusedError:
            return Fate.REPLAYED
    return Fate.RECORDED


def _issued(draft: Draft, kid: str, now_ms: int) -> AuditRecord:
    decision, basis = draft.decision, draft.decision.basis
    detail = _asked(decision.request, decision.on_behalf_of)
    detail |= {
        "task": basis.grant.task,
        "kid": kid,
        "exp": decision.expires_at,
        "entry": None if basis.entry is None else basis.entry.link.id,
        "scope": msgspec.Raw(basis.scope),
        "status": [basis.index.list, basis.index.idx],
    }
    if basis.key is not None:
        detail["jkt"] = basis.key.jkt
    return AuditRecord(
        at_ms=now_ms,
        kind="issuance",
        outcome=Outcome.ALLOWED,
        actor=decision.request.caller.actor,
        account=basis.agent.partition("/")[0],
        agent=basis.agent,
        jti=draft.jti,
        grant_id=basis.grant.id,
        detail=detail,
    )


def _refused(refusal: Refusal, now_ms: int) -> AuditRecord:
    """Its record, a few kilobytes at most: what is refused costs the asker nothing."""
    request = refusal.request
    detail = _asked(request, refusal.on_behalf_of) | {
        "audience": _cut(request.audience),
        "reason": _cut(request.reason),
        "selectors": _cut_all(sorted(request.selectors)),
        "code": refusal.error.code,
        "why": _cut(refusal.error.detail),
        "scope": None if request.scope is None else _cut_scope(request.scope.encode()),
    }
    return AuditRecord(
        at_ms=now_ms,
        kind="issuance",
        outcome=Outcome.REFUSED,
        actor=request.caller.actor,
        account=None if request.agent is None else request.agent.account,
        agent=None if request.agent is None else str(request.agent),
        detail=detail,
    )


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _MOST_OF_TEXT else text[:_MOST_OF_TEXT] + "…"


def _cut_scope(scope: bytes) -> msgspec.Raw | str:
    """The object, or the beginning of its text."""
    return msgspec.Raw(scope) if len(scope) <= _MOST_OF_SCOPE else scope[:_MOST_OF_SCOPE].decode(errors="ignore") + "…"


def _cut_all(texts: Sequence[str]) -> list[str]:
    """As many of `texts` as fit, each whole; a last `…` when some are left out."""
    ends = accumulate(len(text) for text in texts)
    kept = [text for text, end in zip(texts, ends, strict=True) if end <= _MOST_OF_SELECTORS]
    return kept if len(kept) == len(texts) else [*kept, "…"]


def _asked(request: IssuanceRequest, on_behalf_of: str | None) -> dict[str, object]:
    """What was asked, for the audit log; the order of a set is not meaningful, so selectors are sorted."""
    asked: dict[str, object] = {
        "audience": request.audience,
        "task": request.task,
        "reason": request.reason,
        "evidence": request.appraisal.subject,
        "selectors": sorted(request.selectors),
    }
    if request.delegation is not None:
        parent = request.delegation
        asked["delegation"] = {"agent": str(parent.agent), "jti": parent.jti, "grant": parent.grant_id}
    if on_behalf_of is not None:
        asked["on_behalf_of"] = on_behalf_of
    return asked
