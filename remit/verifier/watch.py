"""Watching issuers: started and stopped, shared by verifiers, and begun anew in the child after a fork."""

import asyncio
import ssl
import threading
from collections.abc import Sequence
from time import monotonic
from typing import Final

from remit.credential import StatusReference
from remit.errors import ConfigurationError, StaleError, UnavailableError
from remit.forking import renew_after_fork
from remit.verifier.core import check_status
from remit.verifier.fetch import check_origin
from remit.verifier.refresh import IssuerReader, Refresher, read_clocks
from remit.verifier.state import IssuerState, Snapshot

_NOTHING: Final = Snapshot()
_LOOP_SECONDS: Final = 1.0
_HINT: Final = "check that the issuer runs and that its url is right"


class IssuerWatch:
    """Keeps what is known of one or several issuers fresh, from `start` to `stop`, with one thread.

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
    ) -> None:
        """Prepare to watch; nothing is started or fetched.

        Args:
            issuer: the public URL of the issuer, or of several: `https://host[:port]`; http only on this host.
            max_staleness: seconds after which what is known no longer counts.
            leeway: the clock difference that is tolerated, in seconds.
            poll_interval: seconds between two reads of the status lists.
            start_timeout: seconds that the first load may take.
            tls: how the issuers' certificates are checked, in place of the system's trust.

        Raises:
            ConfigurationError: no issuer, not the URL of one, or times that do not fit together.
        """
        issuers = dict.fromkeys([issuer] if isinstance(issuer, str) else issuer)
        if not issuers:
            raise ConfigurationError("no issuer to trust", hint="pass issuer=, the issuer's public url")
        if not 0 < poll_interval <= max_staleness / 2 or leeway < 0 or start_timeout <= 0:
            raise ConfigurationError("poll_interval is not between 0 and half of max_staleness, or a time is negative")
        self.snapshot = _NOTHING
        self._start_timeout = start_timeout
        self._poll_interval = poll_interval
        self._max_staleness = max_staleness
        self._readers = [
            IssuerReader(check_origin(url), max_staleness=max_staleness, leeway=leeway, tls=tls) for url in issuers
        ]
        self._refresher: Refresher | None = None
        self._forked = False
        self._patience_ends = 0.0
        self._lock = threading.Lock()
        renew_after_fork(self)

    def start(self) -> None:
        """Load the first state and keep it fresh; where it runs already, this waits at most for its first load.

        Raises:
            UnavailableError: an issuer could not be loaded within `start_timeout`.
        """
        with self._lock:
            running, loaded = self._refresher, False
            refresher = running or self._begin()
        try:
            loaded = refresher.loads_within(self._start_timeout)
        finally:
            if running is None and not loaded:
                self._abandon(refresher)
        if not loaded:
            raise UnavailableError(f"not loaded within {self._start_timeout:g} s: {refresher.missing()}", hint=_HINT)

    def stop(self) -> None:
        """Forget everything and end the thread."""
        with self._lock:
            refresher, self._refresher, self._forked = self._refresher, None, False
            if refresher is not None:
                refresher.stop()
            self.snapshot = _NOTHING

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
        refresher = self._refresher
        if refresher is not None:
            refresher.nudge()

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
        """In the child connections are the parent's and its thread is not there: nothing counts until loaded anew."""
        self._forked = self._forked or self._refresher is not None
        self._refresher = None
        self._lock = threading.Lock()
        self.snapshot = _NOTHING
        for reader in self._readers:
            reader.forget()

    def _begin(self) -> Refresher:
        """Start the thread; the lock is held."""
        refresher = Refresher(
            self._readers, self._publish, poll_interval=self._poll_interval, max_staleness=self._max_staleness
        )
        refresher.start(self._start_timeout)
        self._refresher = refresher
        return refresher

    def _abandon(self, refresher: Refresher) -> None:
        with self._lock:
            refresher.stop()
            if self._refresher is refresher:
                self._refresher, self.snapshot = None, _NOTHING

    def _publish(self, states: Sequence[IssuerState]) -> None:
        self.snapshot = Snapshot(states, self.snapshot)

    def _first_load(self) -> Snapshot:
        with self._lock:
            refresher = self._refresher
            if refresher is None and self._forked:
                self._patience_ends = monotonic() + (_LOOP_SECONDS if _on_event_loop() else self._start_timeout)
                refresher = self._begin()
        if refresher is None:
            hint = "enter it: with remit.Verifier(…)"
            raise StaleError("the verifier is not started", code="verifier_not_started", hint=hint)
        refresher.loads_within(self._patience_ends - monotonic())
        snapshot = self.snapshot
        if snapshot is _NOTHING:
            raise StaleError(f"not loaded yet: {refresher.missing()}", hint=_HINT)
        return snapshot


def _on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
