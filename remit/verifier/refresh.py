"""Reading one issuer: its documents, and what its events say, each step taken by the values of `remit.verifier.state`.

Its metadata is read once, its bundle and status keys at the bundle's refresh hint (1 to 300 seconds) or when something shows
that they are old, and its announced status lists whenever the caller says.
"""

from collections.abc import Iterable
from dataclasses import replace
from time import CLOCK_BOOTTIME, clock_gettime, time
from typing import Final

from remit.bundle import Bundle, parse_jwks
from remit.errors import InvalidInputError, UnavailableError
from remit.secevent import StatusEvent
from remit.statuslist import MAX_TOKEN_BYTES, StatusListToken
from remit.verifier.fetch import Fetcher
from remit.verifier.following import follow
from remit.verifier.metadata import METADATA_PATH, Metadata, parse_aggregation, parse_metadata
from remit.verifier.state import NEVER, Deadlines, IssuerState, Moment, TokenKeys

_MIN_HINT: Final = 1
_MAX_HINT: Final = 300


def read_clocks() -> Moment:
    """Both clocks, now."""
    return Moment(time(), clock_gettime(CLOCK_BOOTTIME))


class IssuerReader:
    """Reads one issuer: the I/O around the steps of `IssuerState`. Used by one thread, except for `look_again`.

    Attributes:
        issuer: its URL.
        state: what is known; None before the first `turn` that got so far.
        fetcher: where it is read; others ask the issuer over the same connection.
        misheard: how many events in a row were not to be understood.
    """

    def __init__(self, issuer: str, fetcher: Fetcher, *, max_staleness: float, leeway: int) -> None:
        """Read `issuer`, whose lists are fresh for `max_staleness` seconds."""
        self.issuer = issuer
        self.fetcher = fetcher
        self.state: IssuerState | None = None
        self.misheard = 0
        self._max_staleness = max_staleness
        self._leeway = leeway
        self._pinned_metadata: Metadata | None = None
        self._floor = 0
        self._bundle_due = 0.0
        self._confirmed_at = 0
        self._look_again = False

    @property
    def behind(self) -> bool:
        """Whether something is known to be missing, so that a turn is due as soon as may be."""
        state = self.state
        return self._look_again or state is None or state.lacks_changes or state.lacks_bundle

    @property
    def keys_due(self) -> float:
        """When the keys are to be read again, on the clock that counts suspend."""
        return self._bundle_due

    def metadata(self, seconds: float) -> Metadata:
        """What the issuer announces of itself; fetched within `seconds`, until keys were read with it.

        Raises:
            UnavailableError: it did not answer in time.
            InvalidInputError: what it answered is not accepted.
        """
        if self._pinned_metadata is not None:
            return self._pinned_metadata
        return parse_metadata(self.fetcher.get(self.issuer + METADATA_PATH, seconds=seconds), self.issuer)

    def turn(self, seconds: float) -> None:
        """Bring `state` up to date within `seconds`; what was learned before a failure is kept.

        The lists come first: keys that cannot be read are no reason to miss a revocation, and have a bound of their own.

        Raises:
            UnavailableError: something did not answer in time.
            InvalidInputError: something was answered that is not accepted.
        """
        ends = read_clocks().boot + seconds
        self._look_again = False
        try:
            self._read(ends)
        except (UnavailableError, InvalidInputError):
            self._look_again = True
            raise

    def hear(self, events: Iterable[bytes]) -> bool:
        """Apply `events`, signed tokens in the order in which they came; whether a new heartbeat confirmed what is known.

        One that is not to be understood may tell of anything: keys and lists are read at the next turn.
        """
        if self.state is None:
            return False
        received = read_clocks()
        known = [event for text in events if (event := self._understand(text, self.state, received)) is not None]
        followed = follow(self.state, known, received, self._max_staleness)
        self.state = followed.state
        if followed.unknown_lists:
            self._look_again = True
        newer = followed.confirmed_at > self._confirmed_at
        self._confirmed_at = max(self._confirmed_at, followed.confirmed_at)
        return newer

    def require(self, head: int) -> None:
        """Let nothing be accepted before head `head` is applied: the issuer named it when this verifier was registered."""
        self._floor = max(self._floor, head)
        if self.state is not None:
            self.state = replace(self.state, floor=max(self.state.floor, self._floor))

    def look_again(self) -> None:
        """Read keys and lists at the next turn, which is due: something that is not known was named. Safe for threads."""
        self._bundle_due = 0.0
        self._look_again = True

    def forget(self) -> None:
        """Drop what is known, as after a fork; only the announced trust domain and endpoints stay pinned."""
        self.state = None
        self._floor = self._confirmed_at = 0
        self._bundle_due = 0.0
        self._look_again = False
        self.close()

    def close(self) -> None:
        """Close the connection to the issuer."""
        self.fetcher.close()

    def _understand(self, text: bytes, state: IssuerState, received: Moment) -> StatusEvent | None:
        now = int(received.wall)
        try:
            event = StatusEvent.verify(text, keys=state.status_keys, issuer=self.issuer, now=now, leeway=self._leeway)
        except InvalidInputError:
            self.misheard += 1
            self.look_again()
            return None
        self.misheard = 0
        return event

    def _get(self, url: str, ends: float, max_bytes: int = MAX_TOKEN_BYTES) -> bytes:
        return self.fetcher.get(url, seconds=ends - read_clocks().boot, max_bytes=max_bytes)

    def _read(self, ends: float) -> None:
        if self.state is None:
            self._read_keys(ends)
        try:
            self._read_lists(ends)
        finally:
            if read_clocks().boot >= self._bundle_due or (self.state is not None and self.state.lacks_bundle):
                self._read_keys(ends)

    def _read_keys(self, ends: float) -> None:
        metadata = self.metadata(ends - read_clocks().boot)
        asked = read_clocks()
        bundle = Bundle.parse(self._get(metadata.bundle_url, ends), metadata.trust_domain)
        status_keys = parse_jwks(self._get(metadata.status_keys_url, ends))
        self._pinned_metadata = metadata
        hint = min(max(bundle.refresh_hint or _MAX_HINT, _MIN_HINT), _MAX_HINT)
        trusted = 2 * hint + self._max_staleness
        deadlines = Deadlines(asked.wall + trusted, asked.boot + trusted)
        if self.state is None:
            keys = TokenKeys(bundle.keys)
            self.state = IssuerState(self.issuer, metadata, bundle, keys, deadlines, status_keys, floor=self._floor)
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
                self._bundle_due = 0.0  # the status keys may have been rotated
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
        known = self.state.lists.get(uri)
        if known is None or known.deadlines == NEVER:
            raise UnavailableError(f"{uri} is older than what is known already")
