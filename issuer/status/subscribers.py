"""Who listens to status events: how many may, how many do, and handing them what goes out.

Anonymous subscribers get the same events as registered ones and are only counted. They are bounded per address and in all, so that they
cannot use up the server; those that are registered are bounded apart, per provider, so that anonymous ones cannot shut them out.
"""

from collections import Counter as Tally
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final, Protocol

from prometheus_client import Counter, Gauge

from issuer.errors import TooManySubscribersError
from issuer.status.events import SignedEvent

_IPV6_PREFIX: Final = 64
"""What one host has to itself: the addresses of such a block count as one."""

_connected = Gauge("remit_status_subscribers", "Who listens to status events now, by kind", ["kind"])
_sent = Counter("remit_status_events_sent_total", "Status events that were handed to subscribers, by kind", ["kind"])
_dropped = Counter("remit_status_subscribers_dropped_total", "Subscribers that were dropped because they did not read")
_turned_away = Counter(
    "remit_status_subscribers_refused_total", "Subscribers that were refused because there are enough"
)


class Stream(Protocol):
    """The connection of one subscriber, as the edge gives it."""

    def send(self, event: SignedEvent) -> None:
        """Write an event without waiting; nothing happens when nobody is there any more."""

    def is_open(self) -> bool:
        """Whether somebody is there."""

    def is_stuck(self) -> bool:
        """Whether more waits to be read than anybody who reads would let wait."""

    def drop(self) -> None:
        """Cut the connection, whatever it still holds."""

    def end(self) -> None:
        """End in good order: nothing more comes."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many may listen.

    Attributes:
        anonymous: in all.
        per_address: anonymous, from one address.
        per_provider: registered, of one provider.
    """

    anonymous: int
    per_address: int
    per_provider: int


class Subscribers:
    """Those who listen to one issuer."""

    def __init__(self, bounds: Bounds) -> None:
        """Admit as many as `bounds` say."""
        self._bounds = bounds
        self._by_address: Tally[str] = Tally()
        self._by_provider: Tally[str] = Tally()
        self._streams: dict[Stream, None] = {}

    @property
    def anonymous(self) -> int:
        """How many listen whom nobody knows."""
        return self._by_address.total()

    @property
    def registered(self) -> int:
        """How many listen as a provider's verifier."""
        return self._by_provider.total()

    @contextmanager
    def anonymously(self, address: str) -> Iterator[None]:
        """Count an anonymous subscriber for as long as the block runs; `address` is its peer's.

        Raises:
            TooManySubscribersError: there are enough, from there or in all.
        """
        block = _block(address)
        if self._by_address[block] >= self._bounds.per_address:
            raise _too_many("from this address")
        if self.anonymous >= self._bounds.anonymous:
            raise _too_many("anonymously")
        with _counted(self._by_address, block, "anonymous"):
            yield

    @contextmanager
    def of_provider(self, provider: str) -> Iterator[None]:
        """Count a subscriber of this provider for as long as the block runs.

        Raises:
            TooManySubscribersError: the provider has enough.
        """
        if self._by_provider[provider] >= self._bounds.per_provider:
            raise _too_many("for this provider")
        with _counted(self._by_provider, provider, "registered"):
            yield

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: Stream) -> None:
        """Hand `stream` everything from now on."""
        self._streams[stream] = None

    def remove(self, stream: Stream) -> None:
        """Hand it nothing more; also if it never got anything."""
        self._streams.pop(stream, None)

    def publish(self, event: SignedEvent) -> None:
        """Hand an event to everybody."""
        for stream in self._streams:
            stream.send(event)
        _sent.labels(event.kind).inc(len(self._streams))

    def sweep(self) -> None:
        """Let go of those who left, and of those who do not read."""
        for stream in list(self._streams):
            if stream.is_open() and stream.is_stuck():
                _dropped.inc()
                stream.drop()
            if not stream.is_open():
                self.remove(stream)
                stream.end()

    def end(self) -> None:
        """End every stream in good order."""
        for stream in list(self._streams):
            self.remove(stream)
            stream.end()


@contextmanager
def _counted(tally: Tally[str], name: str, kind: str) -> Iterator[None]:
    tally[name] += 1
    _connected.labels(kind).inc()
    try:
        yield
    finally:
        _connected.labels(kind).dec()
        tally[name] -= 1
        if not tally[name]:
            del tally[name]


def _block(address: str) -> str:
    """What counts as one address."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(ip_network((parsed, _IPV6_PREFIX), strict=False))
    return address


def _too_many(how: str) -> TooManySubscribersError:
    _turned_away.inc()
    return TooManySubscribersError(
        f"as many subscribe {how} as may",
        hint="come back later; a verifier that has its provider's credential is not counted among anonymous ones",
    )
