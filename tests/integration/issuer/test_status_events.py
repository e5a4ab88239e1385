"""`/status/events` over real connections: what is pushed, to whom, and who is not let in."""

import json
import re
import time
from contextlib import ExitStack

import pytest

from remit.bundle import parse_jwks
from remit.secevent import StatusEvent
from tests.fakes.issuer_process import initialize, running
from tests.fakes.listener import PATH, Listener

AGENT = "acme/planner"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("issuer")
    with running(initialize(folder / "data"), environment={"REMIT_HTTP__REQUEST_SECONDS": "1"}) as issuer:
        issuer.register(AGENT, "unix:uid:1000")
        yield issuer


def toggle(issuer, times=1, what=AGENT):
    """Change the agent's status so often; returns the number of the last change."""
    for _ in range(times):
        state = issuer.operator.get(f"/agents/{AGENT}").json()["state"]
        verb = "suspend" if state == "active" else "resume"
        seq = issuer.post(f"/{verb}", what=what, reason="a test")["seq"]
    return seq


def head(issuer):
    """The number of the newest change."""
    with Listener(issuer.url) as listener:
        return listener.next().seq


def verified(issuer, heard):
    """What an event says, to who fetched the status keys."""
    keys = parse_jwks(issuer.http.get("/status/keys").content)
    return StatusEvent.verify(heard.token.encode(), keys=keys, issuer=issuer.url, now=int(time.time()))


def metric(issuer, name):
    """The value of a metric, with its labels as they are written."""
    (value,) = re.findall(
        rf"^{re.escape(name)} (\S+)$", issuer.operator.get(f"{issuer.url}/metrics").text, re.MULTILINE
    )
    return float(value)


def test_a_change_is_pushed(issuer):
    """A heartbeat at once, then the change, signed by a status key, with what it changed and nothing else."""
    with Listener(issuer.url) as listener:
        first = listener.next()
        assert (first.kind, first.seq) == ("heartbeat", head(issuer))
        seq = toggle(issuer)
        event = verified(issuer, listener.until("status", seq))
        assert [mark.value for mark in event.marks] in ([0], [2])
        assert event.marks[0].uri.startswith(f"{issuer.url}/statuslists/")
        assert event.bundle_seq == issuer.http.get("/bundle").json()["spiffe_sequence"]
        assert listener.until("heartbeat", seq)


def test_the_answer_asks_proxies_to_pass_it_on(issuer):
    """Never compressed, never kept; the connection is not used again."""
    with Listener(issuer.url, headers=[("Accept-Encoding", "gzip, br")]) as listener:
        wanted = {
            "content-type": "text/event-stream",
            "cache-control": "no-store, no-transform",
            "x-accel-buffering": "no",
            "transfer-encoding": "chunked",
            "connection": "close",
            "server": "remit",
        }
        assert (listener.status, wanted.items() <= listener.headers.items()) == (200, True)
        assert "content-encoding" not in listener.headers
        assert listener.headers["x-request-id"]


def test_who_comes_back_gets_what_it_missed(issuer):
    """In order, and nothing twice."""
    with Listener(issuer.url) as listener:
        seen = toggle(issuer)
        listener.until("status", seen)
    last = toggle(issuer, times=3)
    with Listener(issuer.url, headers=[("Last-Event-ID", str(seen))]) as listener:
        listener.until("heartbeat", last)
        assert [(event.kind, event.seq) for event in listener.heard] == [
            *(("status", seq) for seq in range(seen + 1, last + 1)),
            ("heartbeat", last),
        ]


def test_a_stream_goes_on_for_longer_than_a_request_may_take(issuer):
    """`http.request_seconds` is 1 here; heartbeats come each second, and the stream is no slow request."""
    with Listener(issuer.url) as listener:
        seconds = [verified(issuer, event).issued_at for event in listener.for_seconds(3.5)]
        assert seconds == sorted(seconds)
        assert len(set(seconds)) >= 3
    toggle(issuer)
    head(issuer)
    labels = f'route="{PATH}",status="2xx"'
    slow = metric(issuer, f'remit_http_request_seconds_bucket{{le="1.0",{labels}}}')
    assert slow == metric(issuer, f"remit_http_request_seconds_count{{{labels}}}") > 0


def test_http_1_0(issuer):
    """The stream as it is, until the connection ends."""
    with Listener(issuer.url, version="1.0") as listener:
        assert "transfer-encoding" not in listener.headers
        assert listener.next().kind == "heartbeat"
        listener.until("status", toggle(issuer))


def test_head(issuer):
    """The headers alone, and nobody is counted."""
    with Listener(issuer.url, method="HEAD") as listener:
        assert (listener.status, listener.headers["content-type"]) == (200, "text/event-stream")
        assert listener.next() is None


@pytest.mark.parametrize(
    "ids",
    [["abc"], ["-1"], ["1" + "0" * 30], ["1.0"], ["0x1"], ["1 2"], ["\xb2"], ["1", "1"], ["9" * 16]],
    ids=["word", "negative", "huge", "float", "hex", "two", "not-ascii", "twice", "too-long"],
)
def test_what_is_no_id_is_refused(issuer, ids):
    """It did not come from here."""
    with Listener(issuer.url, headers=[("Last-Event-ID", value) for value in ids]) as listener:
        assert (listener.status, json.loads(listener.body())["code"]) == (400, "malformed_request")


@pytest.mark.parametrize("value", ["999999999999999", ""], ids=["ahead", "empty"])
def test_an_id_that_says_nothing_begins_at_the_head(issuer, value):
    """One from the future, or none."""
    with Listener(issuer.url, headers=[("Last-Event-ID", value)]) as listener:
        assert listener.next().kind == "heartbeat"


@pytest.mark.parametrize(
    ("path", "credential", "expected"),
    [
        (PATH, "remit_prov_unknown", (401, "unauthenticated")),
        (f"{PATH}?verifier={'a' * 22}", None, (401, "unauthenticated")),
        (f"{PATH}?verifier={'a' * 22}", "remit_prov_unknown", (401, "unauthenticated")),
        (f"{PATH}?verifier={'a' * 22}", "search", (404, "unknown_verifier")),
        (PATH, "search", (400, "malformed_request")),
        (f"{PATH}?other=1", None, (400, "malformed_request")),
    ],
    ids=["unknown", "no-credential", "unknown-named", "not-registered", "no-name", "other-parameter"],
)
def test_who_is_not_let_in(issuer, provider, path, credential, expected):
    """A credential is never ignored: who brings one is registered or refused."""
    given = provider if credential == "search" else credential
    headers = [("Authorization", f"Bearer {given}")] if given else []
    with Listener(issuer.url, path=path, headers=headers) as listener:
        assert (listener.status, json.loads(listener.body())["code"]) == expected


@pytest.fixture(scope="module")
def provider(issuer):
    """The credential of a provider."""
    return issuer.post("/providers", name="search", audiences=["https://api.example.com"])["credential"]


def test_a_registered_verifier_has_a_stream_of_its_own(issuer, provider):
    """It ends when the provider gets another credential: the old one opens nothing any more."""
    bearer = [("Authorization", f"Bearer {provider}")]
    body = {"instance": "i" * 22, "name": "a test", "bound_ms": 15_000, "on_stale": "deny"}
    answer = issuer.http.post("/status/verifiers", json=body, headers=dict(bearer))
    assert answer.status_code == 200, answer.text
    with Listener(issuer.url, path=f"{PATH}?verifier={body['instance']}", headers=bearer) as listener:
        assert listener.next().seq == answer.json()["seq"]
        assert metric(issuer, 'remit_status_subscribers{kind="registered"}') == 1
        listener.until("status", toggle(issuer))
        issuer.operator.post("/providers/search/credential", json={}).raise_for_status()
        drained(listener)
    issuer.http.delete(f"/status/verifiers/{body['instance']}", headers=dict(bearer))


def test_an_address_cannot_use_up_the_server(issuer):
    """Of 300 anonymous subscribers 64 are let in; operators still get through, and places that are left are free again."""
    with ExitStack() as there:
        listeners = [there.enter_context(Listener(issuer.url)) for _ in range(300)]
        admitted = [listener for listener in listeners if listener.status == 200]
        refused = [listener for listener in listeners if listener.status != 200]
        assert len(admitted) == 64
        assert {listener.status for listener in refused} == {429}
        assert int(refused[0].headers["retry-after"]) > 0
        assert json.loads(refused[0].body())["code"] == "too_many_subscribers"
        seq = toggle(issuer)
        for listener in admitted:
            listener.until("status", seq)
        assert metric(issuer, 'remit_status_subscribers{kind="anonymous"}') == 64
    deadline = time.monotonic() + 10
    while metric(issuer, 'remit_status_subscribers{kind="anonymous"}'):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with Listener(issuer.url) as listener:
        assert listener.status == 200


def test_who_does_not_read_is_dropped(issuer):
    """Once half a megabyte waits for it; the others hear every change."""
    agents = [f"bulky/a{number}" for number in range(250)]
    records = [{"kind": "account", "name": "bulky", "owner": "ana"}]
    records += [{"kind": "agent", "agent": agent} for agent in agents] + [
        {"kind": "grant", "agent": agent} for agent in agents
    ]
    issuer.post("/import", records=records)
    before = metric(issuer, "remit_status_subscribers_dropped_total")
    with Listener(issuer.url, receive_buffer=4096) as slow, Listener(issuer.url) as quick:
        seq = quick.next().seq
        for _ in range(30):
            issuer.post("/suspend", what="bulky", reason="a test")
            seq = issuer.post("/resume", what="bulky", reason="a test")["seq"]
            quick.until("status", seq)
        assert quick.changes == list(range(seq - 59, seq + 1))
        quick.until("heartbeat", seq)
        assert metric(issuer, "remit_status_subscribers_dropped_total") == before + 1
        with pytest.raises(ConnectionError):
            drained(slow)


def drained(listener):
    """Read to the end of a stream."""
    while listener.next() is not None:
        pass
