"""Watching issuers: started and stopped, shared by verifiers, and begun anew in the child after a fork."""

import os
import ssl
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Final

from remit.credential import StatusReference
from remit.errors import ConfigurationError, StaleError, UnavailableError
from remit.verifier.core import check_status
from remit.verifier.fetch import check_origin
from remit.verifier.refresh import IssuerReader, Refresher, read_clocks
from remit.verifier.state import IssuerState, Snapshot

_NOTHING: Final = Snapshot()


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
        self._lock = threading.Lock()
        self._renewals: list[weakref.WeakMethod[Callable[[], None]]] = []
        _watches.add(self)

    def start(self) -> None:
        """Load the first state and keep it fresh; does nothing when it runs already.

        Raises:
            UnavailableError: an issuer could not be loaded within `start_timeout`.
        """
        with self._lock:
            if self._refresher is None:
                self._start()

    def stop(self) -> None:
        """Forget everything and end the thread."""
        with self._lock:
            refresher, self._refresher, self._forked = self._refresher, None, False
            if refresher is not None:
                refresher.stop()
            self.snapshot = _NOTHING

    def loaded(self) -> Snapshot:
        """What is known now; in a forked child this loads it first.

        Raises:
            StaleError: nothing is known: not started, or the load failed.
        """
        snapshot = self.snapshot
        return snapshot if snapshot is not _NOTHING else self._load_after_fork()

    def nudge(self) -> None:
        """Refresh soon, keys included; heeded at most once a second."""
        refresher = self._refresher
        if refresher is not None:
            refresher.nudge()

    def call_after_fork(self, method: Callable[[], None]) -> None:
        """In a forked child, call this bound method for as long as its object lives; it is to renew its locks."""
        self._renewals.append(weakref.WeakMethod(method))

    def check_status(self, status: StatusReference) -> None:
        """Check the status of a grant by its list and index, as for a token that is kept and will be handed out again.

        Raises:
            RevokedError: the grant was revoked.
            SuspendedError: it is suspended.
            StaleError: the list is not known freshly.
            TokenInvalidError: the list is not announced, or has no such index.
        """
        check_status(status, self.loaded().lists.get(status.uri), read_clocks())

    def _start(self) -> None:
        refresher = Refresher(
            self._readers, self._publish, poll_interval=self._poll_interval, max_staleness=self._max_staleness
        )
        try:
            refresher.start(self._start_timeout)
        except UnavailableError:
            self.snapshot = _NOTHING
            raise
        self._refresher = refresher
        self._forked = False

    def _publish(self, states: Sequence[IssuerState]) -> None:
        self.snapshot = Snapshot(states, self.snapshot)

    def _load_after_fork(self) -> Snapshot:
        with self._lock:
            if self._forked:
                try:
                    self._start()
                except UnavailableError as error:
                    raise StaleError(error.detail, hint=error.hint) from error
            if self._refresher is None:
                raise StaleError(
                    "the verifier is not started", code="verifier_not_started", hint="enter it: with remit.Verifier(…)"
                )
            return self.snapshot

    def _after_fork(self) -> None:
        """In the child: threads did not survive and connections are the parent's, so nothing counts until loaded anew."""
        self._forked = self._forked or self._refresher is not None
        self._refresher = None
        self._lock = threading.Lock()
        self.snapshot = _NOTHING
        for reader in self._readers:
            reader.forget()
        for reference in self._renewals:
            if (method := reference()) is not None:
                method()


_watches: Final[weakref.WeakSet[IssuerWatch]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for watch in tuple(_watches):
        watch._after_fork()  # noqa: SLF001  # the module's own hook, not for callers


os.register_at_fork(after_in_child=_after_fork_in_child)
