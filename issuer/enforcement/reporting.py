"""What operators are told: how far a change is enforced, and which verifiers there are. Pure."""

from collections.abc import Callable

from issuer.enforcement.following import Verifier
from issuer.enforcement.model import Bounds, EnforcedAt, Recorded, Report, ShownVerifier, SilentVerifier
from issuer.enforcement.watch import Watch
from issuer.registry.roles import Operator


class Reporter:
    """Tells what a `Watch` knows."""

    def __init__(self, watch: Watch, bounds: Bounds, anonymous: Callable[[], int]) -> None:
        """Tell of `watch`; `bounds` says when those refuse who were not told, `anonymous` how many listen without a name."""
        self._watch = watch
        self._bounds = bounds
        self._anonymous = anonymous

    def report(self, viewer: Operator, seq: int, found: Recorded | None) -> Report:
        """How far change `seq` is enforced.

        Args:
            viewer: who asks; what was done is told only to those who see its account.
            seq: the number.
            found: the change; None where the number stands for none.
        """
        change = found.change if found else None
        at_ms = change.committed_at_ms if change else None
        visible = change if change and viewer.account in (None, change.account) else None
        return Report(
            seq=seq,
            verb=visible.verb if visible else None,
            what=visible.what if visible else None,
            committed_at_ms=at_ms,
            settled=found is None or found.settled,
            enforced=self._enforced(seq, at_ms),
            silent=[self._silent(one, at_ms) for one in self._watch.missing(seq)],
            anonymous=self._anonymous(),
            unregistered_refuse_by_ms=at_ms and at_ms + self._bounds.unregistered_ms,
            offline_refuse_by_ms=at_ms and at_ms + self._bounds.offline_ms,
        )

    def _enforced(self, seq: int, at_ms: int | None) -> list[EnforcedAt]:
        """Who enforces a change; of one that is not followed any more, who was there when it was committed."""
        following = self._watch.followed.get(seq)
        if following is not None:
            return list(following.enforced.values())
        return [
            EnforcedAt(one.name, one.provider, None)
            for one in self._watch.verifiers.values()
            if one.enforced >= seq and (at_ms is None or one.registered_at_ms <= at_ms)
        ]

    def _silent(self, verifier: Verifier, at_ms: int | None) -> SilentVerifier:
        since = verifier.seen_at_ms if at_ms is None else at_ms
        by = since + self._bounds.until_refused(verifier.bound_ms, verifier.on_stale)
        return SilentVerifier(verifier.name, verifier.provider, verifier.on_stale, by)


def shown(verifier: Verifier, now_ms: int) -> ShownVerifier:
    """A verifier as it is now; `now_ms` is the database's clock."""
    connected = bool(verifier.streams)
    return ShownVerifier(
        instance=verifier.instance,
        provider=verifier.provider,
        name=verifier.name,
        connected=connected,
        enforced_seq=verifier.enforced,
        bound_ms=verifier.bound_ms,
        on_stale=verifier.on_stale,
        registered_at_ms=verifier.registered_at_ms,
        seen_at_ms=now_ms if connected else verifier.seen_at_ms,
    )
