"""Status events across the end of an issuer: one that is killed, and one that is told to stop."""

import socket
import sys
import time
from contextlib import ExitStack

from tests.fakes.issuer_process import initialize, running
from tests.fakes.listener import Listener

AGENT = "acme/planner"


def changed(issuer, times):
    """Suspend and resume an agent; returns the number of the last change."""
    for _ in range(times):
        issuer.post("/suspend", what=AGENT, reason="a test")
        seq = issuer.post("/resume", what=AGENT, reason="a test")["seq"]
    return seq


def test_a_killed_issuer_goes_on_where_it_was(tmp_path):
    """Numbers go on, and what was committed before is replayed to who did not hear of it."""
    config = initialize(tmp_path / "data")
    with running(config) as issuer:
        issuer.register(AGENT, "unix:uid:1000")
        with Listener(issuer.url) as listener:
            seen = changed(issuer, 1)
            listener.until("status", seen)
            last = changed(issuer, 2)
            issuer.kill()
    with running(config) as issuer, Listener(issuer.url, headers=[("Last-Event-ID", str(seen))]) as listener:
        listener.until("heartbeat", last)
        assert listener.changes == list(range(seen + 1, last + 1))
        assert listener.until("status", changed(issuer, 1)).seq == last + 2


def test_streams_do_not_hold_up_the_end(tmp_path):
    """Each ends in good order, and the issuer is gone long before its limit for requests in flight."""
    with running(initialize(tmp_path / "data")) as issuer:
        with Listener(issuer.url) as listener, Listener(issuer.url, version="1.0") as old:
            listener.next()
            old.next()
            began = time.monotonic()
            assert issuer.stop() == 0
            assert time.monotonic() - began < 5
            while listener.next() is not None:
                pass
            while old.next() is not None:
                pass
        assert "Traceback" not in issuer.log()


def test_who_vanishes_leaves_no_trace(tmp_path):
    """Connections that are reset while events are written, or before they began, are nothing to report."""
    with running(initialize(tmp_path / "data")) as issuer:
        issuer.register(AGENT, "unix:uid:1000")
        for _ in range(20):
            listener = Listener(issuer.url)
            listener._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            listener.close()
        changed(issuer, 3)
        with Listener(issuer.url) as listener:
            listener.next()
        assert '"level": "error"' not in issuer.log()
        assert issuer.stop() == 0
        assert "Traceback" not in issuer.log()


def test_subscribers_leave_files_for_everybody_else(tmp_path):
    """Anonymous ones take half of the files that the process may open, whatever the configuration allows."""
    limited = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 256)); "
    run = "os.execv(sys.executable, [sys.executable, '-m', 'issuer', *sys.argv[1:]])"
    environment = {"REMIT_STATUS__MAX_SUBSCRIBERS_PER_ADDRESS": "1000"}
    program = (sys.executable, "-c", limited + run)
    with (
        running(initialize(tmp_path / "data"), program=program, environment=environment) as issuer,
        ExitStack() as there,
    ):
        statuses = [there.enter_context(Listener(issuer.url)).status for _ in range(140)]
        assert (statuses.count(200), statuses.count(429)) == (128, 12)
        assert issuer.operator.get("/whoami").status_code == 200
