"""The addresses of one host, within a time limit, which the system's resolver does not know.

A lookup has a thread of its own, one at a time: whoever waits for it gives up in time, and it is left to end by itself. The
addresses that were found last serve while the resolver is slow or fails; TLS still decides whether the right host is there.
"""

import socket
from threading import Thread
from typing import Final, NamedTuple

from remit.reasons import reason_of

_SHARE_OF_TIME: Final = 0.25
"""How much of the time a lookup may take when there are addresses to fall back on."""


class Address(NamedTuple):
    """Where to connect to.

    Attributes:
        family: of the socket, `AF_INET` or `AF_INET6`.
        place: what `socket.connect` takes.
    """

    family: int
    place: tuple[object, ...]


class Addresses:
    """Finds the addresses of one host, and knows which of them answered. Not for more than one thread."""

    def __init__(self, host: str, port: int) -> None:
        """Of `host`, a name or an address; nothing is looked up yet."""
        self._host = host
        self._port = port
        self._known: tuple[Address, ...] = ()
        self._lookup: _Lookup | None = None
        self._good: Address | None = None
        self._bad: Address | None = None

    def find(self, seconds: float) -> list[Address]:
        """The addresses, at least one, in the order in which to try them, after at most `seconds`.

        Raises:
            TimeoutError: none are known, and the resolver did not answer in time.
            OSError: none are known, and the resolver knows none either.
        """
        lookup = self._ask(seconds)
        if not self._known:
            raise lookup.failure or TimeoutError(f"{self._host} was not resolved in time")
        return sorted(self._known, key=lambda each: (each == self._bad) - (each == self._good))

    def answered(self, address: Address) -> None:
        """Try `address` first from now on."""
        self._good, self._bad = address, None

    def failed(self, address: Address) -> None:
        """Try `address` last from now on: it takes connections and does not answer."""
        self._good, self._bad = None, address

    def _ask(self, seconds: float) -> "_Lookup":
        lookup = self._lookup
        if lookup is None or lookup.ends_within(0):
            self._learn(lookup)
            lookup = self._lookup = _Lookup(self._host, self._port)
            patience = seconds * _SHARE_OF_TIME if self._known else seconds
        else:  # it was slow before: it is waited for only where there is nothing else
            patience = 0 if self._known else seconds
        if lookup.ends_within(patience):
            self._learn(lookup)
        return lookup

    def _learn(self, lookup: "_Lookup | None") -> None:
        if lookup is not None and lookup.found:
            self._known = lookup.found


class _Lookup:
    """One question to the resolver, asked at once.

    Attributes:
        found: the addresses, once it has ended.
        failure: why there are none, once it has.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self.found: tuple[Address, ...] = ()
        self.failure: OSError | None = None
        self._thread = Thread(target=self._ask, name="remit-resolver", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # the system has no thread left
            self._fail(error)

    def ends_within(self, seconds: float) -> bool:
        """Wait for at most `seconds`; whether it has ended."""
        if self._thread.is_alive():  # never in a forked child, where the thread is not
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _ask(self) -> None:
        try:
            answers = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:
            self._fail(error)
        else:
            self.found = tuple(Address(family, place) for family, _, _, _, place in answers)

    def _fail(self, error: Exception) -> None:
        self.failure = OSError(f"{self._host} cannot be resolved: {reason_of(error)}")
