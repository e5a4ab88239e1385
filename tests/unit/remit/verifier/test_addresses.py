"""Finding a host's addresses while the resolver is slow, fails, or names dead ones."""

import socket
import threading

import pytest

from remit.verifier.addresses import Addresses

FIRST, SECOND, THIRD = ((f"192.0.2.{number}", 443) for number in (1, 2, 3))


class Resolver:
    """In the place of the system's: answers with `places`, or raises `failure`; while `hangs` it answers nothing."""

    def __init__(self):
        self.places = [FIRST, SECOND]
        self.failure = None
        self.asked = 0
        self._free = threading.Event()
        self._free.set()

    def hang(self):
        self._free.clear()

    def go_on(self):
        """Answer, and wait until the answer was taken in."""
        self._free.set()
        for thread in threading.enumerate():
            if thread.name == "remit-resolver":
                thread.join()

    def __call__(self, host, port, **options):
        self.asked += 1
        self._free.wait(30)
        if self.failure is not None:
            raise self.failure
        return [(socket.AF_INET, options["type"], 6, "", place) for place in self.places]


@pytest.fixture
def resolver(monkeypatch):
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    yield resolver
    resolver.go_on()


@pytest.fixture
def addresses(resolver):
    return Addresses("issuer.example.org", 443)


def _places(addresses, seconds=10.0):
    return [address.place for address in addresses.find(seconds)]


def test_every_address_is_found_in_the_resolvers_order(addresses):
    """All of them, so that the second can be tried when the first is dead."""
    assert _places(addresses) == [FIRST, SECOND]


def test_a_slow_resolver_is_given_up_in_time(resolver, addresses):
    """The wait has its bound, and asking again does not pile up threads."""
    resolver.hang()
    for _ in range(3):
        with pytest.raises(TimeoutError, match=r"issuer\.example\.org was not resolved in time"):
            addresses.find(0.01)
    assert resolver.asked == 1


def test_a_late_answer_is_used(resolver, addresses):
    """What a lookup finds after its wait is over serves while the next one is slow."""
    resolver.hang()
    with pytest.raises(TimeoutError):
        addresses.find(0.01)
    resolver.go_on()
    resolver.hang()
    assert _places(addresses, 0.01) == [FIRST, SECOND]


def test_known_addresses_serve_while_the_resolver_is_slow(resolver, addresses):
    """Only a part of the time is spent on it, and none at all while the same lookup is still out."""
    addresses.find(10)
    resolver.hang()
    assert _places(addresses, 0.01) == [FIRST, SECOND]
    assert _places(addresses, 1e9) == [FIRST, SECOND]
    assert resolver.asked == 2


def test_known_addresses_serve_while_the_resolver_fails(resolver, addresses):
    """A resolver that is down does not take the issuer away; its next answer replaces what was known."""
    addresses.find(10)
    resolver.failure = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    assert _places(addresses) == [FIRST, SECOND]
    resolver.failure, resolver.places = None, [THIRD]
    assert _places(addresses) == [THIRD]


@pytest.mark.parametrize(
    "failure", [socket.gaierror(socket.EAI_NONAME, "Name Not Known"), ValueError("Name Not Known")]
)
def test_an_unknown_name_is_told_as_such(resolver, addresses, failure):
    """With nothing to fall back on the failure is the system's, in words."""
    resolver.failure = failure
    with pytest.raises(OSError, match=r"^issuer\.example\.org cannot be resolved: name not known$"):
        addresses.find(10)


def test_a_system_without_threads_is_a_failure_like_others(addresses, monkeypatch):
    """No thread for the lookup: an OSError, which the caller expects, and known addresses serve on."""

    def start(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as without_threads:
        without_threads.setattr(threading.Thread, "start", start)
        with pytest.raises(OSError, match="can't start new thread"):
            addresses.find(10)
    assert _places(addresses) == [FIRST, SECOND]
    monkeypatch.setattr(threading.Thread, "start", start)
    assert _places(addresses) == [FIRST, SECOND]


def test_the_address_that_answered_is_tried_first_and_the_silent_one_last(addresses):
    """A dead address costs its share of the time once, not at every connection."""
    first, second = addresses.find(10)
    addresses.answered(second)
    assert _places(addresses) == [SECOND, FIRST]
    addresses.failed(second)
    assert _places(addresses) == [FIRST, SECOND]
    addresses.failed(first)
    assert _places(addresses) == [SECOND, FIRST]
