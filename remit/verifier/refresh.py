"""The one thread that keeps what is known of the issuers fresh.

It reads each issuer's metadata once, its bundle and status keys at the bundle's refresh hint (1 to 300 seconds), and the
announced status lists at every poll. A slow or silent issuer cannot make the others stale: each turn has a budget, and all
budgets together are a third of the staleness bound.
"""

import contextlib
import logging
import ssl
import threading
from collections.abc import Callable, Sequence
from time import CLOCK_BOOTTIME, clock_gettime, time
from typing import Final

from remit.bundle import Bundle, parse_jwks
from remit.errors import InvalidInputError, UnavailableError
from remit.statuslist import MAX_TOKEN_BYTES, StatusListToken
from remit.verifier.fetch import Fetcher
from remit.verifier.metadata import METADATA_PATH, Metadata, parse_aggregation, parse_metadata
from remit.verifier.state import Deadlines, IssuerState, Moment, TokenKeys

_LOG: Final = logging.getLogger("remit.verifier")
_MIN_HINT: Final = 1
_MAX_HINT: Final = 300
_FIRST_RETRY_SECONDS: Final = 0.1


def read_clocks() -> Moment:
    """Both clocks, now."""
    return Moment(time(), clock_gettime(CLOCK_BOOTTIME))


class IssuerReader:
    """Reads one issuer: the I/O around the steps of `IssuerState`. Used by the refreshing thread only."""

    def __init__(self, issuer: str, *, max_staleness: float, leeway: int, tls: ssl.SSLContext | None) -> None:
        """Read `issuer`, whose lists are fresh for `max_staleness` seconds."""
        self.issuer = issuer
        self.state: IssuerState | None = None
        self._fetcher = Fetcher(issuer, tls=tls)
        self._max_staleness = max_staleness
        self._leeway = leeway
        self._pinned_metadata: Metadata | None = None
        self._bundle_due = 0.0

    def turn(self, seconds: float) -> None:
        """Bring `state` up to date within `seconds`; what was learned before a failure is kept.

        The lists come first: keys that cannot be read are no reason to miss a revocation, and have a bound of their own.

        Raises:
            UnavailableError: something did not answer in time.
            InvalidInputError: something was answered that is not accepted.
        """
        ends = read_clocks().boot + seconds
        if self.state is None:
            self._read_keys(ends)
        try:
            self._read_lists(ends)
        finally:
            if read_clocks().boot >= self._bundle_due:
                self._read_keys(ends)

    def expect_new_keys(self) -> None:
        """Read the bundle at the next turn, whatever its hint says."""
        self._bundle_due = 0.0

    def forget(self) -> None:
        """Drop what is known, as after a fork; only the announced trust domain and endpoints stay pinned."""
        self.state = None
        self._bundle_due = 0.0
        self.close()

    def close(self) -> None:
        """Close the connection to the issuer."""
        self._fetcher.close()

    def _get(self, url: str, ends: float, max_bytes: int = MAX_TOKEN_BYTES) -> bytes:
        return self._fetcher.get(url, seconds=ends - read_clocks().boot, max_bytes=max_bytes)

    def _read_keys(self, ends: float) -> None:
        metadata = self._pinned_metadata
        if metadata is None:
            metadata = parse_metadata(self._get(self.issuer + METADATA_PATH, ends), self.issuer)
        asked = read_clocks()
        bundle = Bundle.parse(self._get(metadata.bundle_url, ends), metadata.trust_domain)
        status_keys = parse_jwks(self._get(metadata.status_keys_url, ends))
        self._pinned_metadata = metadata
        hint = min(max(bundle.refresh_hint or _MAX_HINT, _MIN_HINT), _MAX_HINT)
        trusted = 2 * hint + self._max_staleness
        deadlines = Deadlines(asked.wall + trusted, asked.boot + trusted)
        if self.state is None:
            keys = TokenKeys(bundle.keys)
            self.state = IssuerState(self.issuer, metadata, bundle, keys, deadlines, status_keys)
        else:
            self.state = self.state.with_bundle(bundle, deadlines).with_status_keys(status_keys)
        self._bundle_due = asked.boot + hint

    def _read_lists(self, ends: float) -> None:
        if self.state is None:
            raise UnavailableError(f"nothing is known of {self.issuer}")
        uris = parse_aggregation(self._get(self.state.metadata.status_lists_url, ends), self.issuer)
        self.state = self.state.only_lists(uris)
        failure: InvalidInputError | UnavailableError | None = None
        for uri in uris:
            try:
                self._read_list(uri, ends)
            except InvalidInputError as error:
                self.expect_new_keys()  # the status keys may have been rotated
                failure = error
            except UnavailableError as error:
                failure = error
        if failure is not None:  # only now: the other lists were still worth reading
            raise failure

    def _read_list(self, uri: str, ends: float) -> None:
        if self.state is None:
            return
        asked = read_clocks()
        signed = self._get(uri, ends)
        token = StatusListToken.verify(
            signed, keys=self.state.status_keys, uri=uri, now=int(read_clocks().wall), leeway=self._leeway
        )
        self.state = self.state.with_list(token, asked, self._max_staleness)


class Refresher:
    """Owns the thread."""

    def __init__(
        self,
        readers: Sequence[IssuerReader],
        publish: Callable[[Sequence[IssuerState]], None],
        *,
        poll_interval: float,
        max_staleness: float,
    ) -> None:
        """Read `readers` every `poll_interval` seconds; hand what is known to `publish` after each issuer's turn.

        Nothing is published before every issuer is loaded.
        """
        self._readers = readers
        self._publish = publish
        self._poll_interval = poll_interval
        self._budget = max_staleness / 3 / len(readers)
        self._first_budget = self._budget
        self._failures: dict[str, str] = {}
        self._complete: set[str] = set()
        self._wake = threading.Event()
        self._loaded = threading.Event()
        self._stopping = False
        self._next_nudge = 0.0
        self._thread = threading.Thread(target=self._run, name="remit-verifier", daemon=True)

    def start(self, seconds: float) -> None:
        """Start the thread; all issuers' first loads together are meant to take at most `seconds`."""
        self._first_budget = max(self._budget, seconds / 2 / len(self._readers))
        self._thread.start()

    def loads_within(self, seconds: float) -> bool:
        """Wait for at most `seconds`; whether every issuer is loaded, and so something is published."""
        return self._loaded.wait(seconds)

    def missing(self) -> str:
        """Which issuers are not loaded, and why, in words."""
        missing = [reader.issuer for reader in self._readers if reader.issuer not in self._complete]
        return "; ".join(f"{issuer}: {self._failures.get(issuer, 'no answer yet')}" for issuer in missing)

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def nudge(self) -> None:
        """Refresh soon, keys included: a token named a key or a list that is not known. At most once a second."""
        now = read_clocks().boot
        if now >= self._next_nudge:
            self._next_nudge = now + 1
            for reader in self._readers:
                reader.expect_new_keys()
            self._wake.set()

    def _run(self) -> None:
        with contextlib.ExitStack() as stack:
            for reader in self._readers:
                stack.callback(reader.close)
            while not self._stopping:
                started = read_clocks().boot
                for reader in self._readers:
                    self._turn(reader)
                pause = self._poll_interval if self._loaded.is_set() else _FIRST_RETRY_SECONDS
                self._wake.wait(max(0.0, started + pause - read_clocks().boot))
                self._wake.clear()

    def _turn(self, reader: IssuerReader) -> None:
        if self._stopping:
            return
        try:
            reader.turn(self._budget if self._loaded.is_set() else self._first_budget)
        except (UnavailableError, InvalidInputError) as error:
            self._failed(reader.issuer, str(error))
        else:
            self._recovered(reader.issuer)
        if len(self._complete) == len(self._readers):
            self._publish([reader.state for reader in self._readers if reader.state is not None])
            self._loaded.set()

    def _failed(self, issuer: str, why: str) -> None:
        if self._failures.get(issuer) != why:
            _LOG.warning("cannot refresh %s: %s", issuer, why)
        self._failures[issuer] = why

    def _recovered(self, issuer: str) -> None:
        self._complete.add(issuer)
        if self._failures.pop(issuer, None) is not None:
            _LOG.info("refreshed %s again", issuer)
