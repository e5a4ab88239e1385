"""Watching issuers: started and stopped, shared by verifiers, and begun anew in the child after a fork."""

import asyncio
import atexit
import logging
import os
import socket
import ssl
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from time import monotonic
from typing import Final, get_args

from remit.credential import StatusReference
from remit.errors import ConfigurationError, StaleError, UnavailableError
from remit.forking import renew_after_fork
from remit.verifier.core import check_status
from remit.verifier.fetch import Fetcher, check_origin
from remit.verifier.follower import Times
from remit.verifier.followers import Followers
from remit.verifier.provider import credentials_of
from remit.verifier.refresh import IssuerReader, read_clocks
from remit.verifier.registration import Introduction, OnStale, Registration
from remit.verifier.state import IssuerState, Snapshot

_LOG: Final = logging.getLogger("remit.verifier")
_NOTHING: Final = Snapshot()
_LOOP_SECONDS: Final = 1.0
_EXIT_SECONDS: Final = 1.5
_MAX_NAME: Final = 128
_HINT: Final = "check that the issuer runs and that its url is right"


class IssuerWatch:
    """Keeps what is known of one or several issuers fresh, from `start` to `stop`, with one thread for each.

    Attributes:
        snapshot: what is known now; empty before `start`, after `stop`, and in a forked child until it has loaded.
    """

    def __init__(
        self,
        issuer: str | Sequence[str],
        *,
        max_staleness: float = 10.0,
        leeway: int = 5,
        poll_interval: float = 1.0,
        start_timeout: float = 10.0,
        tls: ssl.SSLContext | None = None,
        credential: str | Mapping[str, str] | None = None,
        name: str | None = None,
        on_stale: OnStale = "deny",
        on_change: Callable[[], None] | None = None,
    ) -> None:
        """Prepare to watch; nothing is started or fetched.

        Args:
            issuer: the public URL of the issuer, or of several: `https://host[:port]`; http only on this host.
            max_staleness: seconds after which what is known no longer counts.
            leeway: the clock difference that is tolerated, in seconds.
            poll_interval: seconds between two reads of the status lists while no events come.
            start_timeout: seconds that the first load may take.
            tls: how the issuers' certificates are checked, in place of the system's trust.
            credential: of a registered provider, for the only issuer or by issuer; shown to that issuer and nobody else.
            name: what operators see of this process, at most 128 printable characters; else its host and process id.
            on_stale: `deny` refuses what is no longer confirmed; `allow` goes on with what was known last.
            on_change: called in a watching thread after each published change of a status, a list or a key; it must be quick.

        Raises:
            ConfigurationError: no issuer, not the URL of one, times that do not fit together, or not a credential or a name.
        """
        issuers = dict.fromkeys([issuer] if isinstance(issuer, str) else issuer)
        if not issuers:
            raise ConfigurationError("no issuer to trust", hint="pass issuer=, the issuer's public url")
        self.snapshot = _NOTHING
        self._times = _times(max_staleness, leeway, poll_interval, start_timeout, on_stale)
        self._start_timeout = start_timeout
        self._name = _checked_name(name)
        self._on_change = on_change
        self._readers = [
            IssuerReader(url, Fetcher(check_origin(url), tls=tls), max_staleness=max_staleness, leeway=leeway)
            for url in issuers
        ]
        self._credentials = credentials_of(credential, issuers)
        self._followers: Followers | None = None
        self._forked = False
        self._patience_ends = 0.0
        self._turnover = threading.Lock()  # held while threads begin or end: the readers are for one set of them
        self._lock = threading.Lock()  # held for a moment
        renew_after_fork(self)
        if self._credentials:
            _registered.add(self)

    def start(self) -> None:
        """Load the first state and keep it fresh; where it runs already, this waits at most for its first load.

        Raises:
            UnavailableError: an issuer could not be loaded within `start_timeout`.
            ConfigurationError: an issuer refuses the provider credential.
        """
        with self._turnover, self._lock:
            running, loaded = self._followers, False
            followers = running or self._begin()
        try:
            loaded = followers.loads_within(self._start_timeout)
        finally:
            if running is None and not loaded:
                self._abandon(followers)
        if not loaded and followers.refusal is not None:
            raise followers.refusal
        if not loaded:
            raise UnavailableError(f"not loaded within {self._start_timeout:g} s: {followers.missing()}", hint=_HINT)

    def stop(self) -> None:
        """Forget everything and end the threads; where it is registered, the issuer is told so, within a second."""
        with self._turnover:
            with self._lock:
                followers, self._followers, self._forked = self._followers, None, False
            self._end(followers, None)

    def leave(self) -> None:
        """As `stop`, for the end of the process: it waits for a second and a half at most, and never raises."""
        self._end(self._followers, _EXIT_SECONDS)

    def loaded(self) -> Snapshot:
        """What is known now.

        In a forked child the first call begins to load and waits for that, at most `start_timeout`, or a second where the
        thread runs an event loop, which stands still meanwhile; whoever calls by then waits no longer than that. From then on
        a call is refused at once until the issuer has answered. To wait without holding up a loop, or before the first
        request, call `start` in the child: `await asyncio.to_thread(verifier.watch.start)`.

        Raises:
            StaleError: nothing is known: not started, or not loaded yet.
        """
        snapshot = self.snapshot
        return snapshot if snapshot is not _NOTHING else self._first_load()

    def nudge(self) -> None:
        """Refresh soon, keys included; heeded at most once a second."""
        followers = self._followers
        if followers is not None:
            followers.nudge()

    def check_status(self, status: StatusReference) -> None:
        """Check the status of a grant by its list and index, as for a token that is kept and will be handed out again.

        Raises:
            RevokedError: the grant was revoked.
            SuspendedError: it is suspended.
            StaleError: the list is not known freshly.
            TokenInvalidError: the list is not announced, or has no such index.
        """
        check_status(status, self.loaded().lists.get(status.uri), read_clocks())

    def after_fork(self) -> None:
        """In the child connections are the parent's and its threads are not there: nothing counts until loaded anew."""
        followers, self._followers = self._followers, None
        self._forked = self._forked or followers is not None
        if followers is not None:
            followers.disown()
        self._turnover, self._lock = threading.Lock(), threading.Lock()
        self.snapshot = _NOTHING
        for reader in self._readers:
            reader.forget()

    def _begin(self) -> Followers:
        """Start the threads; the lock is held."""
        readers = [(reader, self._registration(reader)) for reader in self._readers]
        followers = self._followers = Followers(readers, self._publish, self._times)
        followers.start()
        return followers

    def _registration(self, reader: IssuerReader) -> Registration | None:
        """Of a new instance: each start, and so each process, is one."""
        credential = self._credentials.get(reader.issuer)
        if credential is None:
            return None
        bound_ms = ceil((self._times.max_staleness + self._times.leeway) * 1000)
        introduction = Introduction(self._name or _process_name(), bound_ms, self._times.on_stale)
        return Registration(reader.issuer, reader.fetcher, credential, introduction)

    def _abandon(self, followers: Followers) -> None:
        with self._turnover:
            with self._lock:
                if self._followers is followers:
                    self._followers = None
            self._end(followers, None)

    def _end(self, followers: Followers | None, seconds: float | None) -> None:
        """Accept nothing, and only then let the issuers know that they need not wait for this verifier any more."""
        if followers is not None:
            followers.mute(self._forget)
            followers.stop(seconds)

    def _forget(self) -> None:
        self.snapshot = _NOTHING

    def _publish(self, states: Sequence[IssuerState]) -> None:
        previous = self.snapshot
        snapshot = Snapshot(states, previous, bounded=self._times.on_stale == "deny")
        self.snapshot = snapshot
        if self._on_change is not None and not snapshot.agrees_with(previous):
            try:
                self._on_change()
            except Exception:  # noqa: BLE001 - it is someone else's: whatever is wrong with it, what is known must stay fresh
                _LOG.exception("on_change failed")

    def _first_load(self) -> Snapshot:
        with self._lock:
            followers = self._followers or self._begin_in_child()
        if followers is None:
            hint = "enter it: with remit.Verifier(…)"
            raise StaleError("the verifier is not started", code="verifier_not_started", hint=hint)
        followers.loads_within(self._patience_ends - monotonic())
        snapshot = self.snapshot
        if snapshot is _NOTHING:
            raise StaleError(f"not loaded yet: {followers.missing()}", hint=_HINT)
        return snapshot

    def _begin_in_child(self) -> Followers | None:
        """Start the threads in a forked child, unless others are about to begin or end; the lock is held."""
        if not self._forked or not self._turnover.acquire(blocking=False):
            return None
        try:
            self._patience_ends = monotonic() + (_LOOP_SECONDS if _on_event_loop() else self._start_timeout)
            return self._begin()
        finally:
            self._turnover.release()


_registered: Final[weakref.WeakSet[IssuerWatch]] = weakref.WeakSet()


@atexit.register
def _leave_all() -> None:
    """At the end of a process that never stopped its verifiers: issuers need not wait for them."""
    for watch in tuple(_registered):
        watch.leave()


def _times(max_staleness: float, leeway: int, poll_interval: float, start_timeout: float, on_stale: OnStale) -> Times:
    if not 0 < poll_interval <= max_staleness / 2 or leeway < 0 or start_timeout <= 0:
        raise ConfigurationError("poll_interval is not between 0 and half of max_staleness, or a time is negative")
    if on_stale not in get_args(OnStale):
        raise ConfigurationError(f"on_stale is {on_stale!r}", hint="write deny, or allow")
    return Times(max_staleness, leeway, poll_interval, start_timeout, on_stale)


def _checked_name(name: str | None) -> str | None:
    if name is not None and not (0 < len(name) <= _MAX_NAME and name.isprintable()):
        raise ConfigurationError(f"the name is not 1 to {_MAX_NAME} printable characters")
    return name


def _process_name() -> str:
    return f"{socket.gethostname()[: _MAX_NAME // 2]}:{os.getpid()}"


def _on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
