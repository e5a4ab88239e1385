"""What operators learn of how authority ends. Pure."""

from collections.abc import Sequence

import msgspec

from issuer.tasks.model import OpenTask


class ChangeFigures(msgspec.Struct, frozen=True):
    """What is on record of one change; times are milliseconds.

    Attributes:
        seq: its number.
        verb: what was done.
        committed_at_ms: when, since the epoch.
        commit_ms: from the request to the commit.
        enforced_ms: from the commit until the last verifier enforced it; None: none did, or not all have so far.
        silent: how many verifiers had not said so when they refused by their own bound.
    """

    seq: int
    verb: str
    committed_at_ms: int
    commit_ms: int
    enforced_ms: int | None
    silent: int


class Times(msgspec.Struct, frozen=True):
    """How long something took, over many changes; milliseconds.

    Attributes:
        p50_ms: half of them took no longer.
        p95_ms: of twenty, nineteen took no longer.
        max_ms: the longest.
    """

    p50_ms: int
    p95_ms: int
    max_ms: int

    @classmethod
    def of(cls, milliseconds: Sequence[int]) -> "Times":
        """Of these, at least one. A percentile is a time that was measured: the nearest rank."""
        ranked = sorted(milliseconds)
        return cls(_nearest(ranked, 50), _nearest(ranked, 95), ranked[-1])


class VerbFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How the changes of one verb went.

    Attributes:
        verb: `revoke`, `suspend`, `resume`, `complete` …
        changes: how many there were.
        commit: from the request to the commit.
        enforce: from the commit until the last registered verifier enforced it, of those that some verifier enforced and none was
            silent about; None without such.
        silent: how many changes some verifier was silent about until its own bound had passed.
    """

    verb: str
    changes: int
    commit: Times
    enforce: Times | None
    silent: int


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """How authority ended in a span of time, and where it lingers now.

    Attributes:
        since_at: the begin of the span, seconds since the epoch.
        verbs: by verb, in the order of the alphabet.
        lingering: task grants that are open although nobody has held a token for a while; the first of them.
        lingering_count: how many there are.
    """

    since_at: int
    verbs: list[VerbFigures]
    lingering: list[OpenTask]
    lingering_count: int


def by_verb(changes: Sequence[ChangeFigures]) -> list[VerbFigures]:
    """The figures of each verb that occurs."""
    found: dict[str, list[ChangeFigures]] = {}
    for change in changes:
        found.setdefault(change.verb, []).append(change)
    return [_figures(verb, of_verb) for verb, of_verb in sorted(found.items())]


def _figures(verb: str, changes: Sequence[ChangeFigures]) -> VerbFigures:
    enforced = [one.enforced_ms for one in changes if one.enforced_ms is not None and not one.silent]
    return VerbFigures(
        verb=verb,
        changes=len(changes),
        commit=Times.of([change.commit_ms for change in changes]),
        enforce=Times.of(enforced) if enforced else None,
        silent=sum(change.silent > 0 for change in changes),
    )


def _nearest(ranked: Sequence[int], percent: int) -> int:
    return ranked[-(-len(ranked) * percent // 100) - 1]
