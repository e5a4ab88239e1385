"""The thread that follows one issuer: its events while they come, its lists whenever they do not.

What it does, in the order in which one round does it:

1.  Tell the issuer what is enforced, if this verifier is registered there; register again, if the issuer may have forgotten it.
2.  Read the lists and keys, if something is missing (at once, then with a growing delay), if the stream has been silent for longer than
    a few heartbeats (each `poll_interval`), or if it was long ago (twice or thrice a minute, for all that no event tells of).
3.  Open the stream of events, if none is open.
4.  Wait for events, another thread, or the next of these times.
5.  Apply all events that have arrived, and publish what is known then.

Every exchange has a bound in time, all of them together well below the staleness bound.
"""

import logging
import threading
from collections.abc import Callable
from math import inf
from typing import Final

import msgspec

from remit.errors import ConfigurationError, InvalidInputError, RemitError, UnavailableError
from remit.verifier.fetch import AnswerError, Request
from remit.verifier.pacing import Backoff, spread
from remit.verifier.refresh import IssuerReader, read_clocks
from remit.verifier.registration import OnStale, Registration
from remit.verifier.state import IssuerState
from remit.verifier.subscription import Subscription, subscription_headers
from remit.verifier.waiting import Waker

_LOG: Final = logging.getLogger("remit.verifier")

_FIRST_RETRY_SECONDS: Final = 0.1
_FAILED_RETRY_SECONDS: Final = 1.0
_REREAD_SECONDS: Final = 0.05
_REFUSED_RETRY_SECONDS: Final = 5.0
_SAFETY_SECONDS: Final = 40.0
_SAY_SECONDS: Final = 1.0
_MOST_SECONDS: Final = 10.0
"""How long all reading of one round may take, whatever the bounds: whoever ends the thread waits for that."""
_HEARTBEATS: Final = 2.5
_SILENT_SHARE: Final = 0.4
"""The share of the staleness bound for which the stream may be silent before the lists are polled."""
_MAX_MISHEARD: Final = 16


class Times(msgspec.Struct, frozen=True):
    """The times of a watch, in seconds.

    Attributes:
        max_staleness: after which what is known no longer counts.
        leeway: the clock difference that is tolerated.
        poll_interval: between two reads of the lists while no events come.
        start_timeout: that the first load may take.
        on_stale: what is done past `max_staleness`.
    """

    max_staleness: float
    leeway: int
    poll_interval: float
    start_timeout: float
    on_stale: OnStale


class Follower:
    """Follows one issuer from `start` until it is asked to `end`.

    Attributes:
        issuer: its URL.
        state: what is known, once all that is needed was read; replaced whole.
        failure: why the last turn failed, in words; empty if it did not.
        refusal: set once the issuer has refused the provider credential before anything was loaded.
    """

    def __init__(
        self, reader: IssuerReader, registration: Registration | None, times: Times, changed: Callable[[], None]
    ) -> None:
        """Follow the issuer of `reader`; `changed` is called in the thread after each change of `state` or `refusal`."""
        self.issuer = reader.issuer
        self.state: IssuerState | None = None
        self.failure = ""
        self.refusal: ConfigurationError | None = None
        self._reader = reader
        self._registration = registration
        self._subscription = Subscription(reader.issuer, reader.fetcher)
        self._times = times
        self._changed = changed
        self._budget = min(times.max_staleness / 3, _MOST_SECONDS)
        self._stale = False
        self._polled_at = 0.0
        self._safety_seconds = spread(_SAFETY_SECONDS)
        self._reread = Backoff(_REREAD_SECONDS, max(_REREAD_SECONDS, times.poll_interval))
        self._waker = Waker()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="remit-verifier", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """Ask the thread to end; `join` waits for it."""
        self._stopping = True
        self._waker.wake()

    def join(self, seconds: float | None = None) -> None:
        """Wait until the thread has ended, for at most `seconds`."""
        self._thread.join(seconds)

    def disown(self) -> None:
        """In a forked child, where the thread is not: see `Followers.disown`."""
        self._subscription.close()
        self._reader.close()

    def nudge(self) -> None:
        """Read keys and lists soon. Safe for threads."""
        self._reader.look_again()
        self._waker.wake()

    def _run(self) -> None:
        self._reader.forget()
        try:
            while not self._stopping:
                self._step()
        finally:
            self._subscription.close()
            if self._registration is not None and self._stopping:  # else what was published may still be accepted by
                self._registration.leave()
            self._reader.close()
            self._waker.close()

    def _step(self) -> None:
        try:
            if self.state is None:
                self._load()
            else:
                self._round(self.state)
        except Exception:  # noqa: BLE001 - whatever nobody foresaw, this goes on: without it all is refused until a restart
            _LOG.exception("following %s failed", self.issuer)
            self._subscription.close()
            self._reader.look_again()
            self._waker.wait(_FAILED_RETRY_SECONDS)

    def _load(self) -> None:
        started, pause = read_clocks().boot, _FIRST_RETRY_SECONDS
        try:
            self._load_within(max(self._budget, min(self._times.start_timeout / 2, _MOST_SECONDS)))
        except ConfigurationError as error:
            self.refusal, pause = error, _REFUSED_RETRY_SECONDS
            self._failed(error)
            self._changed()
        except (UnavailableError, InvalidInputError) as error:
            self._failed(error)
        else:
            self._polled_at = started
            self._recovered()
            self._publish()
            return
        self._waker.wait(started + pause - read_clocks().boot)

    def _load_within(self, seconds: float) -> None:
        """Register first: from then on the issuer waits for this verifier, which accepts nothing before it has loaded its head."""
        started, registration = read_clocks().boot, self._registration
        if registration is not None and not registration.active:
            url = self._reader.metadata(seconds).verifiers_url
            if url is None:
                registration.failed(UnavailableError(f"{self.issuer} registers no verifiers"))
            else:
                path, now = self._reader.fetcher.path_of(url), read_clocks().boot
                self._reader.require(registration.register(path, enforced=None, seconds=seconds, now=now))
        self._reader.turn(seconds - (read_clocks().boot - started))
        if self._reader.behind:
            raise UnavailableError(f"what {self.issuer} serves is older than the head that it named")

    def _round(self, state: IssuerState) -> None:
        self._attend(state)
        if (now := read_clocks().boot) >= self._reading_due():
            self._refresh(state, now)
        self._subscribe(self._reader.state or state)
        self._note_staleness(state)
        if not self._stopping and not self._subscription.has_more:
            self._waker.wait(self._next_due(state) - read_clocks().boot, self._subscription.descriptor())
        if not self._lost_touch():
            self._hear()

    def _lost_touch(self) -> bool:
        """Whether the issuer may have stopped waiting for this verifier, as for a machine that slept.

        Then the stream is left unread, and the next round registers before anything makes what is known fresh again.
        """
        registration = self._registration
        if registration is None or not registration.active:
            return False
        touched = max(registration.said_at, self._subscription.renewed_at)
        if read_clocks().boot <= touched + self._times.max_staleness + self._times.leeway:
            return False
        registration.lose()
        self._subscription.close()
        return True

    def _refresh(self, state: IssuerState, now: float) -> None:
        if self._registration is not None and self._registration.lost:
            self._register(self._registration, state, now)
        self._polled_at, self._safety_seconds = now, spread(_SAFETY_SECONDS)
        try:
            self._reader.turn(self._budget)
        except (UnavailableError, InvalidInputError) as error:
            self._failed(error)
        else:
            self._recovered()
        if self._reader.behind:
            self._reread.failed(read_clocks().boot)
        self._publish()

    def _hear(self) -> None:
        now = read_clocks().boot
        try:
            events = self._subscription.read(now, self._patience)
        except AnswerError as error:
            if self._registration is not None and self._registration.active:
                self._registration.rejected(error.status, now)
            return
        if events and self._reader.hear(events):
            self._subscription.renewed(now)
            self._reread.succeeded()
        if self._reader.misheard > _MAX_MISHEARD:
            self._reader.misheard = 0
            self._subscription.spoil("what comes is not signed by the issuer, or of no known kind", now)
        self._publish()

    def _publish(self) -> None:
        published = self.state
        if self._reader.state is published:
            return
        self.state = self._reader.state
        try:
            self._changed()
        except BaseException:
            self.state = published  # only what everybody sees is ever said to be enforced
            raise

    def _attend(self, state: IssuerState) -> None:
        """Say what is enforced.

        That is the head that was published: `_changed` has replaced the one snapshot which every verification reads at its very
        beginning, whatever its thread, and what is remembered of a token is never more than what that snapshot still confirms. So no
        verification that begins after this can miss the head.
        """
        registration, now = self._registration, read_clocks().boot
        if registration is None or state.metadata.verifiers_url is None or now < self._word_due(registration, state):
            return
        if registration.active:
            registration.acknowledge(state.applied, seconds=min(_SAY_SECONDS, self._budget), now=now)
        else:
            self._register(registration, state, now)

    def _register(self, registration: Registration, state: IssuerState, now: float) -> None:
        path = self._reader.fetcher.path_of(state.metadata.verifiers_url or "")
        seconds = min(_SAY_SECONDS, self._budget)
        try:
            head = registration.register(path, enforced=state.applied, seconds=seconds, now=now)
        except (ConfigurationError, UnavailableError) as error:
            registration.failed(error)
        else:
            self._reader.require(head)
            self._subscription.close()  # the next one is opened by name
            self._publish()

    def _subscribe(self, state: IssuerState) -> None:
        url, now = state.metadata.events_url, read_clocks().boot
        if url is None or now < self._subscription.due or self._stopping:
            return
        request = Request("GET", self._reader.fetcher.path_of(url), subscription_headers(state.applied))
        if self._registration is not None:
            request = self._registration.identified(request)
        self._subscription.open(request, seconds=min(_SAY_SECONDS, self._budget), now=now)

    @property
    def _patience(self) -> float:
        """For how long the stream may be silent before the lists are polled."""
        heartbeat = 1.0 if self._registration is None else self._registration.heartbeat_seconds
        return min(_HEARTBEATS * heartbeat, self._times.max_staleness * _SILENT_SHARE)

    def _reading_due(self) -> float:
        if self._reader.behind:
            return self._reread.due
        poll = max(self._polled_at + self._times.poll_interval, self._subscription.renewed_at + self._patience)
        return min(poll, self._polled_at + self._safety_seconds, self._reader.keys_due)

    def _word_due(self, registration: Registration, state: IssuerState) -> float:
        speaks = self._subscription.renewed_at + self._patience > read_clocks().boot
        return registration.due(state.applied, inf if speaks else self._times.max_staleness / 3)

    def _next_due(self, state: IssuerState) -> float:
        due = self._reading_due()
        if state.metadata.events_url is not None:
            due = min(due, self._subscription.due)
        if self._registration is not None and state.metadata.verifiers_url is not None:
            due = min(due, self._word_due(self._registration, state))
        return due

    def _failed(self, error: RemitError) -> None:
        if self.failure != str(error):
            _LOG.warning("cannot refresh %s: %s", self.issuer, error)
        self.failure = str(error)

    def _recovered(self) -> None:
        if self.failure:
            _LOG.info("refreshed %s again", self.issuer)
        self.failure = ""

    def _note_staleness(self, state: IssuerState) -> None:
        stale = state.is_stale(read_clocks())
        if stale and not self._stale:
            doing = "what was known last counts on" if self._times.on_stale == "allow" else "its tokens are refused"
            _LOG.warning("%s was not heard for %g s: %s", self.issuer, self._times.max_staleness, doing)
        elif self._stale and not stale:
            _LOG.info("%s is heard again", self.issuer)
        self._stale = stale
