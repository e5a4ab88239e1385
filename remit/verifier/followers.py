"""All the issuers of a watch, each followed by a thread of its own, so that none can make another stale."""

import threading
from collections.abc import Callable, Sequence

from remit.errors import ConfigurationError
from remit.verifier.follower import Follower, Times
from remit.verifier.refresh import IssuerReader, read_clocks
from remit.verifier.registration import Registration
from remit.verifier.state import IssuerState

_NUDGE_SECONDS = 1.0


class Followers:
    """Follows all issuers from `start` to `stop`; not used again after that."""

    def __init__(
        self,
        readers: Sequence[tuple[IssuerReader, Registration | None]],
        publish: Callable[[Sequence[IssuerState]], None],
        times: Times,
    ) -> None:
        """Hand what is known of all issuers to `publish` after each change, one call at a time, once every issuer is loaded."""
        self._followers = [Follower(reader, registration, times, self._changed) for reader, registration in readers]
        self._publish = publish
        self._lock = threading.Lock()
        self._settled = threading.Event()
        self._loaded = False
        self._muted = False
        self._next_nudge = 0.0

    @property
    def refusal(self) -> ConfigurationError | None:
        """Why an issuer refused the provider credential; None if none did."""
        return next((follower.refusal for follower in self._followers if follower.refusal is not None), None)

    def start(self) -> None:
        """Start the threads."""
        for follower in self._followers:
            follower.start()

    def loads_within(self, seconds: float) -> bool:
        """Wait for at most `seconds`, or until one has been refused; whether every issuer is loaded and published."""
        self._settled.wait(seconds)
        return self._loaded

    def missing(self) -> str:
        """Which issuers are not loaded, and why, in words."""
        missing = [follower for follower in self._followers if follower.state is None]
        return "; ".join(f"{each.issuer}: {each.failure or 'no answer yet'}" for each in missing)

    def mute(self, forget: Callable[[], None]) -> None:
        """Publish nothing any more, once `forget` has taken back what was published: no thread says a new head in between."""
        with self._lock:
            forget()
            self._muted = True

    def stop(self, seconds: float | None = None) -> None:
        """End the threads and wait for them, for at most `seconds` each."""
        for follower in self._followers:
            follower.end()
        for follower in self._followers:
            follower.join(seconds)

    def disown(self) -> None:
        """In a forked child: close its copies of the parent's connections, so that their end is the parent's to decide."""
        for follower in self._followers:
            follower.disown()

    def nudge(self) -> None:
        """Refresh soon, keys included: a token named a key or a list that is not known. At most once a second."""
        now = read_clocks().boot
        if now >= self._next_nudge:
            self._next_nudge = now + _NUDGE_SECONDS
            for follower in self._followers:
                follower.nudge()

    def _changed(self) -> None:
        with self._lock:
            states = [follower.state for follower in self._followers if follower.state is not None]
            if len(states) == len(self._followers) and not self._muted:
                self._publish(states)
                self._loaded = True
            if self._loaded or self.refusal is not None:
                self._settled.set()
