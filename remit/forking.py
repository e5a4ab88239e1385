"""What a forked child must do first: a lock that another thread of the parent held would stay locked in it for ever."""

import os
import weakref
from typing import Final, Protocol


class Forkable(Protocol):
    """Something with locks, or with threads."""

    def after_fork(self) -> None:
        """In the child, before anything else runs there: make the locks anew, and forget the threads."""


_known: Final[weakref.WeakSet[Forkable]] = weakref.WeakSet()


def renew_after_fork(thing: Forkable) -> None:
    """Call `thing.after_fork()` in each forked child, for as long as `thing` lives; it is not kept alive."""
    _known.add(thing)


def _after_fork() -> None:
    for thing in tuple(_known):
        thing.after_fork()


os.register_at_fork(after_in_child=_after_fork)
