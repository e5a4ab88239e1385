"""Remembering the tokens that were verified, bounded, for as long as the keys are the same."""

from remit.verifier.core import Accepted


class Outcomes:
    """Verified tokens of one key epoch, in two generations: the older is dropped when the younger is full.

    Safe for threads: each step is one dictionary operation, and what two threads may lose is only remembered less long.

    Attributes:
        epoch: the `Snapshot.epoch` whose keys verified them.
        young: the younger generation of those that no proof is needed for: the caller's fastest look-up.
    """

    __slots__ = ("_bound", "_limit", "_old", "epoch", "young")

    def __init__(self, epoch: object, size: int) -> None:
        """Remember up to `size` tokens."""
        self.epoch = epoch
        self.young: dict[str, Accepted] = {}
        self._bound: dict[str, Accepted] = {}
        self._old: dict[str, Accepted] = {}
        self._limit = max(1, size // 3)

    def find(self, token: object) -> Accepted | None:
        """The outcome for `token`, if it is remembered."""
        if type(token) is not str:
            return None
        accepted = self.young.get(token) or self._bound.get(token)
        if accepted is None and (accepted := self._old.get(token)) is not None:
            self.put(token, accepted)
        return accepted

    def put(self, token: str, accepted: Accepted) -> None:
        """Remember `token`; one that is bound to a key is kept where `find` alone looks."""
        if accepted[0].key_thumbprint is not None:
            if len(self._bound) >= self._limit:
                self._bound = {}
            self._bound[token] = accepted
            return
        if len(self.young) >= self._limit:
            self._old, self.young = self.young, {}
        self.young[token] = accepted
