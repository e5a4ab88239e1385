"""Starting and stopping the verifier against an issuer over real HTTP."""

import asyncio
import threading

import pytest

from remit.errors import ConfigurationError, StaleError, UnavailableError
from remit.verifier import Verifier
from tests.fakes.outcomes import QUICK, outcome_of
from tests.fakes.public_issuer import AUDIENCE


def test_constructing_starts_nothing(issuer):
    """No thread and no request before the verifier is entered; a token is refused with a hint until then."""
    threads = threading.active_count()
    verifier = Verifier(issuer.url, AUDIENCE)
    assert (threading.active_count(), issuer.requests) == (threads, [])
    with pytest.raises(StaleError) as refused:
        verifier.verify(issuer.token())
    assert refused.value.code == "verifier_not_started"


def test_leaving_ends_the_thread_and_forgets(issuer):
    """After the block nothing is accepted and nothing runs; entering again works."""
    verifier = Verifier(issuer.url, AUDIENCE, **QUICK)
    for _ in range(2):
        with verifier:
            verifier.verify(issuer.token())
        assert outcome_of(verifier, issuer.token()) is StaleError
        assert "remit-verifier" not in {thread.name for thread in threading.enumerate()}


async def test_entering_and_leaving_does_not_block_the_loop(issuer):
    """`async with` loads in another thread while the loop goes on."""
    issuer.pause()
    ticks = 0

    async def resume():
        nonlocal ticks
        for _ in range(10):
            await asyncio.sleep(0.01)
            ticks += 1
        issuer.resume()

    other = asyncio.create_task(resume())
    async with Verifier(issuer.url, AUDIENCE, **QUICK) as verifier:
        assert ticks == 10
        assert verifier.verify(issuer.token()).account == "acme"
    await other


@pytest.mark.parametrize(
    "path", ["/.well-known/oauth-authorization-server", "/bundle", "/status/keys", "/statuslists", "/statuslists/2"]
)
@pytest.mark.parametrize(
    "answer",
    [
        (500, {}, b""),
        (304, {}, b""),
        (302, {"Location": "/bundle"}, b""),
        (200, {}, b"{}"),
        (200, {}, b"\xff" * 3_000_000),
        (200, {"Content-Length": "9"}, b"x"),
    ],
    ids=["500", "304", "redirect", "empty-object", "too-large", "cut-off"],
)
def test_without_a_whole_first_state_entering_fails(issuer, path, answer):
    """Whatever document is missing, the verifier says within its time that it cannot start, and leaves nothing running."""
    issuer.answers[path] = lambda _: answer
    with (
        pytest.raises(UnavailableError) as failed,
        Verifier(issuer.url, AUDIENCE, poll_interval=0.05, max_staleness=1.0, start_timeout=0.3),
    ):
        pass
    assert issuer.url in failed.value.detail
    assert "remit-verifier" not in {thread.name for thread in threading.enumerate()}


def test_an_unreachable_issuer_is_told_as_such():
    """Nobody listening: one clear error."""
    with pytest.raises(UnavailableError), Verifier("http://127.0.0.1:9", AUDIENCE, start_timeout=0.3):
        pass


def test_an_issuer_that_comes_up_late_is_waited_for(issuer):
    """Within `start_timeout` a provider may start before its issuer."""
    failing = {"/bundle": lambda _: (503, {}, b"")}
    issuer.answers.update(failing)
    threading.Timer(0.3, issuer.answers.clear).start()
    with Verifier(issuer.url, AUDIENCE, **QUICK) as verifier:
        verifier.verify(issuer.token())


@pytest.mark.parametrize(
    "arguments",
    [
        {"audience": ""},
        {"audience": []},
        {"audience": ["", "x"]},
        {"audience": [b"x"]},
        {"issuer": []},
        {"issuer": "https://issuer.example.org/"},
        {"issuer": "http://issuer.example.org"},
        {"poll_interval": 0},
        {"poll_interval": 6.0},
        {"leeway": -1},
        {"start_timeout": 0},
    ],
)
def test_a_verifier_that_could_not_be_right_is_refused(arguments):
    """An empty audience is never taken as any; times must fit together."""
    with pytest.raises(ConfigurationError):
        Verifier(**({"issuer": "https://issuer.example.org", "audience": AUDIENCE} | arguments))
