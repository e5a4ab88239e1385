"""Which verifiers enforce which changes, as far as they said: the state in memory, without any input or output.

Two rules hold at every moment. A verifier is *missing* from a change as long as what it said it enforces is older, and it was there
when the change was committed or may still act on what it knew then. And a change is complete when nobody is missing.

Times are those of `issuer.enforcement.following`.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from issuer.enforcement.following import NOTHING, Following, Verifier
from issuer.enforcement.model import MARGIN_MS, MAX_VERIFIERS, Bounds, CommittedChange, EnforcedAt, Registration
from issuer.errors import ConflictError, TooManyVerifiersError, UnknownVerifierError

MAX_FOLLOWED: Final = 256
"""So many changes are kept in memory with who enforces them, beside those whose outcome is open."""


class Watch:
    """Verifiers and changes.

    Attributes:
        head: the newest change that was noticed.
        verifiers: by instance; those whose registration is under way are there already, so that nothing slips past them.
        followed: changes by number, in their order.
        forgotten: instances that are awaited no more, and whose rows are to go.
    """

    def __init__(self, bounds: Bounds) -> None:
        """Nobody is there; `bounds` says for how long those who are away may go on."""
        self._bounds = bounds
        self.head = 0
        self.verifiers: dict[str, Verifier] = {}
        self.followed: dict[int, Following] = {}
        self.forgotten: set[str] = set()

    def restore(self, verifiers: Iterable[Verifier], unsettled: Iterable[CommittedChange], head: int, now: int) -> None:
        """Begin with what was written before a restart; every verifier counts as seen now."""
        for verifier in verifiers:
            verifier.seen = now
            self.verifiers[verifier.instance] = verifier
        for change in unsettled:
            following = self._follow(change, now)
            following.enforced = {
                one.instance: EnforcedAt(one.name, one.provider, None)
                for one in self.verifiers.values()
                if one.enforced >= change.seq and one.registered_at_ms <= change.committed_at_ms
            }
        self.head = max(self.head, head)

    def notice(self, change: CommittedChange, now: int) -> bool:
        """Follow a change; False when that was done before."""
        if change.seq <= self.head:
            return False
        self._follow(change, now)
        self.head = change.seq
        self._trim()
        return True

    def expect(self, provider: str, request: Registration, now: int) -> Verifier:
        """Await a verifier whose registration is about to be written.

        Raises:
            ConflictError: the instance is another provider's.
            TooManyVerifiersError: the provider has as many as it may.
        """
        verifier = self.verifiers.get(request.instance)
        if verifier is None:
            self._require_room(provider)
            verifier = Verifier(request.instance, provider, request.name, request.bound_ms, request.on_stale)
            self._enter(verifier)
        elif verifier.provider != provider:
            raise ConflictError("that instance is registered already", hint="draw another one, at random")
        verifier.seen = now
        self.forgotten.discard(verifier.instance)  # from here on its row is to stay
        return verifier

    def withdraw(self, verifier: Verifier) -> None:
        """Its registration was not written: do not await it, unless it was registered before."""
        if not verifier.registered_at_ms:
            self.drop(verifier)

    def register(self, verifier: Verifier, request: Registration, head: int, at_ms: int, now: int) -> None:
        """Its registration is durable, and `head` was the newest change then.

        Without changes that it enforces it accepts nothing before it has loaded `head`, and so it enforces that. What it said
        before counts no more: one that says it enforces less than that is missing again.
        """
        if verifier.instance not in self.verifiers:  # it said goodbye meanwhile
            self._enter(verifier)
        enforced = head if request.enforced is None else min(request.enforced, head)
        if not verifier.registered_at_ms:
            self._excuse(verifier, enforced)
            verifier.registered_at_ms = at_ms
        elif enforced < verifier.enforced:
            self._set_back(verifier, enforced)
        else:
            self.progress(verifier, enforced, at_ms)
        verifier.name, verifier.bound_ms, verifier.on_stale = request.name, request.bound_ms, request.on_stale
        verifier.enforced, verifier.seen_at_ms, verifier.seen = enforced, at_ms, now
        self.forgotten.discard(verifier.instance)

    def find(self, provider: str, instance: str) -> Verifier:
        """A registered verifier of this provider.

        Raises:
            UnknownVerifierError: there is none.
        """
        verifier = self.verifiers.get(instance)
        if verifier is None or verifier.provider != provider or not verifier.registered_at_ms:
            raise UnknownVerifierError("no such verifier is registered", hint="register it again, then load the head")
        return verifier

    def progress(self, verifier: Verifier, seq: int, at_ms: int) -> bool:
        """A verifier said that it enforces `seq`; what it said before is not taken back by that.

        Returns:
            Whether nobody is missing from some change any more.
        """
        completed = False
        for following in reversed(self.followed.values()):
            change = following.change
            if change.seq <= verifier.enforced:
                break
            if change.seq <= seq and verifier.instance in following.missing:
                del following.missing[verifier.instance]
                took = max(0, at_ms - change.committed_at_ms)
                following.enforced[verifier.instance] = EnforcedAt(verifier.name, verifier.provider, took)
                following.check()
                completed |= following.complete.is_set()
        verifier.enforced = max(verifier.enforced, seq)
        return completed

    def drop(self, verifier: Verifier, *, lapsed: bool = False) -> None:
        """Await a verifier no more; `lapsed`: because it was away too long, which the outcomes tell. Its streams end."""
        self.verifiers.pop(verifier.instance, None)
        self.forgotten.add(verifier.instance)
        for following in self.followed.values():
            if verifier.instance in following.missing:
                del following.missing[verifier.instance]
                if lapsed:
                    following.lapsed.append(verifier.name)
                following.check()
        for ended in verifier.streams:
            ended.set()

    def missing(self, seq: int) -> list[Verifier]:
        """The verifiers that have not said that they enforce this change."""
        following = self.followed.get(seq)
        if following is not None:
            return list(following.missing.values())
        return [verifier for verifier in self.verifiers.values() if verifier.enforced < seq]

    def away_too_long(self, now: int) -> list[Verifier]:
        """The verifiers that have had no stream open and said nothing until their own bound had passed, and a margin."""
        return [
            one
            for one in self.verifiers.values()
            if not one.streams and now - one.seen > self._bounds.until_refused(one.bound_ms, one.on_stale) + MARGIN_MS
        ]

    def ripe(self, now: int) -> Iterator[Following]:
        """The changes whose outcome can be put on record: nobody is missing, or whoever is refuses by their own bound."""
        return (
            following
            for following in self.followed.values()
            if not following.settled and self._all_refuse(following, now)
        )

    def _all_refuse(self, following: Following, now: int) -> bool:
        passed = now - following.noticed
        return all(
            passed > self._bounds.until_refused(one.bound_ms, one.on_stale) for one in following.missing.values()
        )

    def _follow(self, change: CommittedChange, now: int) -> Following:
        missing = {instance: one for instance, one in self.verifiers.items() if one.enforced < change.seq}
        following = self.followed[change.seq] = Following(change, now, missing)
        following.check()
        return following

    def _enter(self, verifier: Verifier) -> None:
        """Add a verifier of which nothing is known: it is missing everywhere."""
        verifier.enforced, verifier.registered_at_ms = NOTHING, 0
        self.verifiers[verifier.instance] = verifier
        self._set_back(verifier, NOTHING)

    def _excuse(self, verifier: Verifier, seq: int) -> None:
        """Changes up to `seq` were never its concern."""
        for following in self.followed.values():
            if following.change.seq <= seq:
                following.missing.pop(verifier.instance, None)
                following.check()

    def _set_back(self, verifier: Verifier, seq: int) -> None:
        for following in self.followed.values():
            if following.change.seq > seq:
                following.enforced.pop(verifier.instance, None)
                following.missing[verifier.instance] = verifier
                following.check()

    def _require_room(self, provider: str) -> None:
        """Refuse one more verifier than a provider may have. None makes room before its time: it may still accept."""
        if sum(one.provider == provider for one in self.verifiers.values()) >= MAX_VERIFIERS:
            raise TooManyVerifiersError(
                f"{MAX_VERIFIERS} verifiers of this provider are connected, or were just now",
                hint="register another provider for more",
            )

    def _trim(self) -> None:
        """Forget the oldest changes whose outcome is on record."""
        while len(self.followed) > MAX_FOLLOWED:
            oldest = next(iter(self.followed.values()))
            if not oldest.settled:
                return
            del self.followed[oldest.change.seq]
