"""What verifiers tell, what operators are told of them, and the rules of who is awaited. Pure; times are milliseconds."""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from remit.errors import InvalidInputError

MAX_VERIFIERS: Final = 1000
"""Most verifiers of one provider."""

MARGIN_MS: Final = 2000
"""For how much longer than its bound a verifier that is away is awaited: what was sent to it last may have been on its way."""

MAX_WAIT_SECONDS: Final = 30
"""The longest that a request for a change's enforcement waits."""

DEFAULT_BOUND_SECONDS: Final = 10
"""The staleness bound of a `remit.Verifier` that was given no other."""

Seq = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Instance = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{16,64}\Z")]


class OnStale(StrEnum):
    """What a verifier does once it is stale."""

    DENY = "deny"
    """It refuses everything."""
    ALLOW = "allow"
    """It goes on with what it knows: a token that was revoked meanwhile is accepted until it expires."""


class Registration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a verifier says of itself.

    Attributes:
        instance: drawn at random by each process; after a fork the child draws another.
        name: for people: host and process.
        bound_ms: its staleness bound with its clock leeway: having heard nothing for so long it is stale.
        on_stale: what it does then.
        enforced: the newest change that it enforces already; None: no token before the answer's head is loaded.
    """

    instance: Instance
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    bound_ms: Annotated[int, msgspec.Meta(ge=1, le=86_400_000)]
    on_stale: OnStale = OnStale.DENY
    enforced: Seq | None = None

    def __post_init__(self) -> None:
        """Refuse a name that would not print on one line."""
        if not self.name.isprintable():
            raise InvalidInputError("`name` holds characters that are not printable")


class Registered(msgspec.Struct, frozen=True):
    """The answer to a registration.

    Attributes:
        seq: the head: until all up to this change is loaded, the verifier refuses every token.
        provider: whose verifier it is.
        heartbeat_seconds: how often the stream of events beats.
    """

    seq: int
    provider: str
    heartbeat_seconds: int


class Acknowledgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a verifier enforces.

    Attributes:
        seq: every thread of it enforces this change and all before it.
    """

    seq: Seq


class CommittedChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change of authority, as it was committed.

    Attributes:
        seq: its number.
        verb: what was done.
        what: to what, in words: `agent acme/planner`.
        account: the account that it concerns; None: none, or several.
        requested_at_ms: when it was asked for.
        committed_at_ms: when it was durable.
    """

    seq: int
    verb: str
    what: str
    account: str | None
    requested_at_ms: int
    committed_at_ms: int


class Recorded(msgspec.Struct, frozen=True):
    """A change, and whether its outcome is on record."""

    change: CommittedChange
    settled: bool


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a change.

    Attributes:
        enforced: how many verifiers enforced it.
        silent: how many did not say so in time.
        enforced_ms: how long after the commit the last of those that enforced it did; None without any.
    """

    enforced: int
    silent: int
    enforced_ms: int | None


class Bounds(msgspec.Struct, frozen=True):
    """For how long after a change those may go on who were not told of it.

    Attributes:
        unregistered_ms: a Remit verifier that nobody registered: its default bound and the clock leeway.
        offline_ms: a stack that reads no status, or a verifier that allows when stale: the longest life of a token and the leeway.
    """

    unregistered_ms: int
    offline_ms: int

    @classmethod
    def of(cls, *, ttl_seconds: int, leeway_seconds: int) -> "Bounds":
        """The bounds where tokens live for `ttl_seconds` at most."""
        return cls((DEFAULT_BOUND_SECONDS + leeway_seconds) * 1000, (ttl_seconds + leeway_seconds) * 1000)

    def until_refused(self, bound_ms: int, on_stale: OnStale) -> int:
        """For how long after a change that it did not hear of a verifier may accept what was revoked."""
        return bound_ms if on_stale is OnStale.DENY else max(bound_ms, self.offline_ms)


class EnforcedAt(msgspec.Struct, frozen=True):
    """A verifier that enforces a change.

    Attributes:
        verifier: its name.
        provider: whose it is.
        milliseconds: how long after the commit it said so; None when that is not known any more.
    """

    verifier: str
    provider: str
    milliseconds: int | None


class SilentVerifier(msgspec.Struct, frozen=True):
    """A verifier that has not said that it enforces a change.

    Attributes:
        verifier: its name.
        provider: whose it is.
        on_stale: what it does once it is stale.
        refuses_by_ms: when it refuses what was revoked all the same, by its own bound; milliseconds since the epoch.
    """

    verifier: str
    provider: str
    on_stale: OnStale
    refuses_by_ms: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How far a change is enforced.

    Attributes:
        seq: its number.
        verb: what was done; None when nothing was, or it is not for the caller.
        what: to what, in words; None likewise.
        committed_at_ms: when it was durable; None when nothing was done.
        settled: whether its outcome is on record: nobody is silent, or every silent one is past its own bound.
        enforced: the verifiers that enforce it.
        silent: the registered verifiers that have not said so.
        anonymous: how many listen to the events without a name.
        unregistered_refuse_by_ms: when Remit verifiers refuse that nobody registered.
        offline_refuse_by_ms: when those refuse that read no status.
    """

    seq: int
    verb: str | None
    what: str | None
    committed_at_ms: int | None
    settled: bool
    enforced: list[EnforcedAt]
    silent: list[SilentVerifier]
    anonymous: int
    unregistered_refuse_by_ms: int | None
    offline_refuse_by_ms: int | None


class ShownVerifier(msgspec.Struct, frozen=True, kw_only=True):
    """A registered verifier, as operators see it.

    Attributes:
        instance: its process.
        provider: whose it is.
        name: host and process.
        connected: whether its stream of events is open.
        enforced_seq: the newest change that it said it enforces.
        bound_ms: having heard nothing for so long it is stale.
        on_stale: what it does then.
        registered_at_ms: when it registered.
        seen_at_ms: when it was heard of last.
    """

    instance: str
    provider: str
    name: str
    connected: bool
    enforced_seq: int
    bound_ms: int
    on_stale: OnStale
    registered_at_ms: int
    seen_at_ms: int

    @property
    def cursor(self) -> str:
        """Where it is in the list of all."""
        return f"{self.provider}/{self.instance}"
