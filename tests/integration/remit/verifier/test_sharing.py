"""One verifier for many threads and several audiences."""

import threading
import time

from remit.errors import RevokedError, TokenInvalidError
from remit.verifier import Acceptor
from tests.fakes.outcomes import outcome_of, wait_for


def test_threads_share_one_verifier(issuer, verifier):
    """Eight threads, new and seen tokens, revocations in between: right outcomes only."""
    tokens = [issuer.token(index=index, jti=f"t{index}") for index in range(100, 140)]
    wrong = []
    ends = time.monotonic() + 1.0

    def work(first):
        number = first
        while time.monotonic() < ends:
            number = (number + 7) % len(tokens)
            outcome = outcome_of(verifier, tokens[number])
            if outcome not in (None, RevokedError) or (outcome is RevokedError and number % 2):
                wrong.append((number, outcome))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for number in range(0, 40, 2):
        issuer.set_status(100 + number, 1)
    for thread in threads:
        thread.join()
    assert wrong == []
    wait_for(verifier, tokens[38], RevokedError)
    assert {outcome_of(verifier, token) for token in tokens[::2]} == {RevokedError}


def test_another_audience_may_share_the_watch(issuer, verifier):
    """A second acceptor over the same state checks its own audience and fetches nothing."""
    other = Acceptor(verifier.watch, "https://other.example")
    assert other.verify(issuer.token(aud="https://other.example")).audience == "https://other.example"
    assert outcome_of(other, issuer.token()) is TokenInvalidError
    assert sum(thread.name == "remit-verifier" for thread in threading.enumerate()) == 1
