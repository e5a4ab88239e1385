"""A forked child: nothing of the parent's counts in it, and nothing holds it up for long."""

import os
import pickle
import time

import pytest

from remit.errors import RevokedError, StaleError
from tests.fakes.outcomes import outcome_of, wait_for


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # Python 3.12: that is what is tested
@pytest.mark.parametrize("reachable", [True, False])
@pytest.mark.parametrize("mid_answer", [True, False])
def test_a_forked_child_loads_before_it_accepts(issuer, verifier, reachable, mid_answer):
    """What the parent knew counts for nothing in the child: it loads its own state, or refuses.

    The fork may come while the parent's thread waits for an answer, and while another thread uses up a proof.
    """
    token = issuer.token()
    verifier.verify(token)
    if mid_answer:
        issuer.drip_seconds = 0.002
        asked = len(issuer.requests)
        while len(issuer.requests) == asked:
            time.sleep(0.001)
        issuer.drip_seconds = 0
        verifier._replays._lock.acquire()
    issuer.set_status(412, 1)
    if not reachable:
        issuer.answers["/bundle"] = lambda _: (500, {}, b"")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        verifier.watch._start_timeout = 1.0
        outcome = outcome_of(verifier, token)
        with verifier._replays._lock:
            os.write(writer, pickle.dumps(outcome))
        os._exit(0)
    os.close(writer)
    if mid_answer:
        verifier._replays._lock.release()
    answer = os.read(reader, 4096)
    os.close(reader)
    assert os.waitpid(child, 0)[1] == 0
    assert pickle.loads(answer) is (RevokedError if reachable else StaleError)
    wait_for(verifier, token, RevokedError)
