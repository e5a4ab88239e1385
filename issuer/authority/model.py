"""What may be stopped, the words for it, and what stopping does to a state. Pure."""

from enum import StrEnum
from typing import Annotated

import msgspec

from issuer.enforcement.model import Bounds
from issuer.errors import ConflictError
from issuer.registry.requests import ShortText, parse_agent
from issuer.registry.state import State
from remit.ids import check_task

MAX_LISTED = 100
"""Most grants that an answer lists by id; it counts all."""

What = Annotated[str, msgspec.Meta(min_length=1, max_length=16_384)]
"""Whatever an operator has in hand; the longest such thing is a whole token."""


class Kind(StrEnum):
    """What an operator may have in hand."""

    ACCOUNT = "account"
    AGENT = "agent"
    GRANT = "grant"
    TASK = "task"
    TOKEN = "token"  # noqa: S105 - the word, not a secret
    SIDECAR = "sidecar"
    OPERATOR = "operator"
    PROVIDER = "provider"
    PERSON = "person"
    KEY = "key"


class Verb(StrEnum):
    """What is done to it."""

    SUSPEND = "suspend"
    RESUME = "resume"
    REVOKE = "revoke"
    COMPLETE = "complete"


_REACHES = {
    Verb.SUSPEND: State.SUSPENDED,
    Verb.RESUME: State.ACTIVE,
    Verb.REVOKE: State.REVOKED,
    Verb.COMPLETE: State.REVOKED,
}


def next_state(current: State, verb: Verb, what: str) -> State:
    """The state after `verb`. Doing it again changes nothing; revoked is final.

    Raises:
        ConflictError: it is revoked, and is to be suspended or resumed.
    """
    reached = _REACHES[verb]
    if current is State.REVOKED and reached is not State.REVOKED:
        raise ConflictError(f"{what} is revoked, which is final", hint="register another one")
    return reached


def check_why(reason: str, ticket: str | None) -> None:
    """Refuse what would not print on one line; raises ValueError."""
    if not (reason + (ticket or "")).isprintable():
        raise ValueError("`reason` and `ticket` are one line of printable characters")


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator wants suspended, resumed or revoked.

    Attributes:
        what: anything in hand: a name, a SPIFFE ID, a DID, a token, a `jti`, a grant's id, a task, a person, a signing key.
        reason: why, for the audit log.
        ticket: where it is discussed, for the audit log.
    """

    what: What
    reason: ShortText
    ticket: ShortText | None = None

    def __post_init__(self) -> None:
        """Refuse what would not print on one line."""
        check_why(self.reason, self.ticket)


class Completion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator says is done.

    Attributes:
        task: its name.
        agent: whose task, if it is one agent's only.
        reason: how they know, for the audit log.
        ticket: where it is discussed, for the audit log.
    """

    task: ShortText
    agent: ShortText | None = None
    reason: ShortText = "the task is done"
    ticket: ShortText | None = None

    def __post_init__(self) -> None:
        """Refuse what is no task or agent, or would not print on one line."""
        check_task(self.task)
        if self.agent is not None:
            parse_agent(self.agent)
        check_why(self.reason, self.ticket)

    @property
    def stop(self) -> Stop:
        """The same as something to stop."""
        return Stop(f"task:{self.task}", self.reason, self.ticket)


class TaskDone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a sidecar says is done: the task of an agent, by their names."""

    agent: ShortText
    task: ShortText

    def __post_init__(self) -> None:
        """Refuse what is no task or agent."""
        check_task(self.task)
        parse_agent(self.agent)


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator wants to know the meaning of; see `Stop.what`."""

    what: What


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """What the words mean.

    Attributes:
        kind: what it is.
        id: its name: of an account, an agent, a sidecar, a provider, an operator or a task; a grant's id; a token's `jti`; a key's
            `kid`; a person's digest, never who they are.
        account: the account that it concerns, if it is of one.
        agent: the full name of the agent that it concerns, if it is of one.
        state: its own state; of a task or a token, that of its grants.
        above: what the things above it are worth; it is worth no more than that.
        grants: the ids of the grants that it is, or that are below it, unless they are revoked; the first 100.
        grant_count: how many there are.
        description: all that in a line for people.
    """

    kind: Kind
    id: str
    account: str | None
    agent: str | None
    state: State
    above: State
    grants: tuple[str, ...]
    grant_count: int
    description: str


class Changed(msgspec.Struct, frozen=True):
    """How much a change changed.

    Attributes:
        grants: how many grants are worth something else now.
    """

    grants: int


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """What came of suspending, resuming or revoking.

    Attributes:
        resolved: what it was done to, as it is now.
        changed: how much that changed.
        seq: the number of the change in the status lists; a verifier that enforces this one or a later one enforces it.
        requested_at_ms: when it was asked for; all times are milliseconds since the epoch.
        committed_at_ms: when it was durable.
        unregistered_refuse_by_ms: when every verifier of Remit that nobody waits for refuses, if it keeps the usual bound.
        offline_refuse_by_ms: when everybody else refuses: those who read no status, and so take a token until it expires.
    """

    resolved: Resolved
    changed: Changed
    seq: int
    requested_at_ms: int
    committed_at_ms: int
    unregistered_refuse_by_ms: int
    offline_refuse_by_ms: int

    @classmethod
    def undated(cls, resolved: Resolved, changed: Changed, seq: int, requested_at_ms: int) -> "Stopped":
        """An answer before the commit: see `committed`."""
        return cls(
            resolved=resolved,
            changed=changed,
            seq=seq,
            requested_at_ms=requested_at_ms,
            committed_at_ms=requested_at_ms,
            unregistered_refuse_by_ms=requested_at_ms,
            offline_refuse_by_ms=requested_at_ms,
        )

    def committed(self, at_ms: int, bounds: Bounds) -> "Stopped":
        """The same once it was durable, at `at_ms`."""
        return msgspec.structs.replace(
            self,
            committed_at_ms=at_ms,
            unregistered_refuse_by_ms=at_ms + bounds.unregistered_ms,
            offline_refuse_by_ms=at_ms + bounds.offline_ms,
        )
