"""What one audit record says."""

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """How a decision ended."""

    ALLOWED = "allowed"
    REFUSED = "refused"


class AuditRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One decision, before it has a place in the log.

    Attributes:
        at_ms: when, milliseconds since the epoch.
        kind: what was decided on: `issuance`, `account.create`, `revoke`, `request` …
        outcome: allowed or refused.
        actor: who asked: `operator:ana`, `sidecar:edge-1`, `anonymous`.
        account: the account that it concerns, if one is known.
        agent: the full name of the agent that it concerns, `acme/planner`, if one is known.
        jti: the token that was issued; no two records share one.
        grant_id: the grant that it concerns.
        detail: the rest, of plain JSON values; never a secret, never a whole token.
    """

    at_ms: int
    kind: str
    outcome: Outcome
    actor: str
    account: str | None = None
    agent: str | None = None
    jti: str | None = None
    grant_id: str | None = None
    detail: dict[str, object] = {}


class RecordedDecision(AuditRecord, frozen=True, kw_only=True):
    """An audit record with its place in the log.

    Attributes:
        seq: its number; a later record has a higher one.
    """

    seq: int


class AuditQuery(msgspec.Struct, frozen=True):
    """Which records to read.

    Attributes:
        after: only records with a higher `seq`; 0 for all.
        limit: at most so many.
        newest: the last `limit` records instead of the first ones; oldest of them first all the same.
        account: only records that concern this account; what an operator who is limited to it may see.
        agent: only records that concern this agent (its full name).
        kind: only records of this kind.
        outcome: only decisions that ended so.
    """

    after: int = 0
    limit: int = 100
    newest: bool = False
    account: str | None = None
    agent: str | None = None
    kind: str | None = None
    outcome: Outcome | None = None
