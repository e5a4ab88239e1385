"""An issuer behind reverse proxies: pushed through those that pass events on, polled through those that hold them back."""

from contextlib import ExitStack, contextmanager

import pytest

from remit.errors import RevokedError
from remit.verifier import Verifier
from tests.fakes.issuer_process import AUDIENCE, initialize, running, wanted
from tests.fakes.listener import Listener
from tests.fakes.nginx import INSTALLED, nginx, shipped_site
from tests.fakes.outcomes import wait_for
from tests.fakes.ports import free_port
from tests.fakes.proxy import proxy

needs_nginx = pytest.mark.skipif(INSTALLED is None, reason="nginx is not installed")
AGENT = "acme/planner"
PASSING = ["passes", pytest.param("nginx", marks=needs_nginx)]
HOLDING = ["holds", pytest.param("nginx-that-holds", marks=needs_nginx)]


def holding(site):
    """A site of somebody who overlooked that events must not be held."""
    return site.replace("proxy_buffering off;", "proxy_buffering on;\n proxy_ignore_headers X-Accel-Buffering;")


@contextmanager
def behind(kind, folder):
    """An issuer whose public URL is that of a proxy in front of it, and a sidecar that has joined."""
    target = free_port()
    with ExitStack() as stack:
        if kind.startswith("nginx"):
            port = free_port()
            site = shipped_site(port, target)
            stack.enter_context(nginx(folder, site if kind == "nginx" else holding(site), port))
        else:
            front = stack.enter_context(proxy(buffers=kind == "holds"))
            front.target, port = target, front.port
        config = initialize(folder / "data", "--public-url", f"http://localhost:{port}")
        listen = {"REMIT_HTTP__LISTEN": f"127.0.0.1:{target}"}
        issuer = stack.enter_context(running(config, environment=listen))
        sidecar = issuer.joined()
        issuer.register(AGENT, "unix:uid:1000", sidecar="edge-1")
        yield issuer, sidecar


def token_of(sidecar):
    """A token of the agent."""
    (result,) = sidecar.issue(wanted())
    return result["credentials"][0]["token"]


@pytest.mark.parametrize("kind", PASSING)
def test_a_proxy_that_passes_events_on(tmp_path, kind):
    """A change arrives as it happens, and a verifier refuses long before it would have read the lists again."""
    with behind(kind, tmp_path) as (issuer, sidecar), Listener(issuer.url) as listener:
        assert listener.next().kind == "heartbeat"
        listener.until("status", issuer.post("/suspend", what=AGENT, reason="a test")["seq"])
        issuer.post("/resume", what=AGENT, reason="a test")
        token = token_of(sidecar)
        with Verifier(issuer.url, AUDIENCE, poll_interval=5) as verifier:
            verifier.verify(token)
            issuer.post("/revoke", what=AGENT, reason="a test")
            assert wait_for(verifier, token, RevokedError) < 2


@pytest.mark.parametrize("kind", HOLDING)
def test_a_proxy_that_holds_events_back(tmp_path, kind):
    """What arrives is too late to be of use, so the verifier reads the lists, and the revocation takes effect all the same."""
    with behind(kind, tmp_path) as (issuer, sidecar):
        if kind == "holds":  # nginx lets a kilobyte or two gather
            with pytest.raises(TimeoutError):
                Listener(issuer.url, timeout=2.5)
        token = token_of(sidecar)
        with Verifier(issuer.url, AUDIENCE, poll_interval=0.2) as verifier:
            verifier.verify(token)
            issuer.post("/revoke", what=AGENT, reason="a test")
            assert wait_for(verifier, token, RevokedError) < 5
