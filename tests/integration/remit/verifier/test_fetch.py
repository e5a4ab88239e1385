"""Fetching within a budget: dead addresses, a slow resolver, and what is said when it fails."""

import socket
import threading
import time
from contextlib import ExitStack

import pytest

from remit.errors import UnavailableError
from remit.verifier import Verifier
from remit.verifier.fetch import Fetcher
from tests.fakes.outcomes import QUICK, outcome_of, wait_for
from tests.fakes.public_issuer import AUDIENCE

PATH = "/statuslists"
DEAD = "127.0.0.2"


def _resolve_to(monkeypatch, *hosts):
    """Let every name mean `hosts`, in this order."""

    def getaddrinfo(_host, port, **options):
        return [(socket.AF_INET, options["type"], 6, "", (host, port)) for host in hosts]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture
def named(issuer):
    """The issuer's URL with a name in place of the address."""
    return issuer.url.replace("127.0.0.1", "localhost")


@pytest.fixture
def fetcher(named):
    with ExitStack() as stack:
        fetcher = Fetcher(named)
        stack.callback(fetcher.close)
        yield fetcher


@pytest.fixture
def black_hole(issuer):
    """Another address of this host, where connections to the issuer's port are neither accepted nor refused."""
    place = (DEAD, int(issuer.url.rpartition(":")[2]))
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(place)
        listener.listen(0)
        for _ in range(4):  # its queue is full now
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(place)
        yield DEAD


@pytest.fixture
def silent(issuer):
    """Another address of this host, where connections to the issuer's port are accepted and never answered."""
    with socket.create_server((DEAD, int(issuer.url.rpartition(":")[2])), backlog=16):
        yield DEAD


def test_a_dead_first_address_does_not_defeat_the_second(fetcher, named, black_hole, monkeypatch):
    """The first has its share of the time, the second the rest; on a new connection the one that answered comes first."""
    _resolve_to(monkeypatch, black_hole, "127.0.0.1")
    started = time.monotonic()
    assert b"status_lists" in fetcher.get(named + PATH, seconds=1.0)
    assert time.monotonic() - started < 0.9
    fetcher.close()
    started = time.monotonic()
    assert b"status_lists" in fetcher.get(named + PATH, seconds=1.0)
    assert time.monotonic() - started < 0.4


def test_a_refusing_first_address_costs_nothing(fetcher, named, monkeypatch):
    """Such as IPv6 of a host that serves IPv4 only."""
    _resolve_to(monkeypatch, DEAD, "127.0.0.1")
    assert b"status_lists" in fetcher.get(named + PATH, seconds=1.0)


def test_an_address_that_never_answers_is_left_for_another(fetcher, named, silent, monkeypatch):
    """It takes the connection, so only the deadline shows that it is dead; the next exchange begins elsewhere."""
    _resolve_to(monkeypatch, silent, "127.0.0.1")
    with pytest.raises(UnavailableError):
        fetcher.get(named + PATH, seconds=0.2)
    assert b"status_lists" in fetcher.get(named + PATH, seconds=1.0)


def test_the_resolver_is_inside_the_budget(fetcher, named, monkeypatch):
    """A resolver that hangs holds nobody longer than the time that was given."""
    free = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: free.wait(30) and [])
    started = time.monotonic()
    with pytest.raises(UnavailableError, match="localhost was not resolved in time"):
        fetcher.get(named + PATH, seconds=0.2)
    free.set()
    assert time.monotonic() - started < 1.0


def test_an_answer_on_a_connection_that_closes_is_read_to_its_end(fetcher, named, issuer):
    """`Connection: close` ends the connection after the body, however late that comes, and the next answer has a new one."""
    issuer.answers[PATH] = lambda _: (200, {"Connection": "close"}, b"x" * 50)
    issuer.drip_seconds = 0.001
    for _ in range(2):
        assert fetcher.get(named + PATH, seconds=5) == b"x" * 50
        assert fetcher._connection is None


def test_a_verifier_stays_fresh_while_the_resolver_hangs(issuer, named, monkeypatch):
    """The issuer closes every connection and its name cannot be looked up any more: its last addresses serve."""
    issuer.url = named
    free = threading.Event()
    for path in (PATH, "/statuslists/1", "/statuslists/2"):
        issuer.answers[path] = _closing(issuer, path)
    with Verifier(named, AUDIENCE, **QUICK | {"max_staleness": 1.5}) as verifier:
        token = issuer.token()
        with monkeypatch.context() as hanging:
            hanging.setattr(socket, "getaddrinfo", lambda *_, **__: free.wait(30) and [])
            ends = time.monotonic() + 2.5
            while time.monotonic() < ends:
                assert outcome_of(verifier, token) is None
                time.sleep(0.01)
            free.set()
        wait_for(verifier, token, None)


def _closing(issuer, path):
    def answer(_):
        del issuer.answers[path]
        try:
            status, headers, body = issuer.answer(path)
        finally:
            issuer.answers[path] = answer
        return status, headers | {"Connection": "close"}, body

    return answer


@pytest.mark.parametrize("hosts", [["127.0.0.1"], ["127.0.0.1", DEAD]])
def test_a_refused_connection_is_told_in_words(monkeypatch, hosts):
    """Lower case and no error number, and one reason once."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    _resolve_to(monkeypatch, *hosts)
    with pytest.raises(UnavailableError) as refused:
        Fetcher(f"http://localhost:{port}").get(f"http://localhost:{port}/x", seconds=1)
    assert refused.value.detail == f"cannot fetch http://localhost:{port}/x: connection refused"


def test_something_that_is_not_http_is_told_in_words():
    """What the peer sent is not repeated."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"SSH-2.0-x\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(UnavailableError) as refused:
            Fetcher(url).get(url + "/x", seconds=5)
        answering.join()
    assert refused.value.detail == f"cannot fetch {url}/x: the answer is not http"
