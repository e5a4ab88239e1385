"""What any local user may send to the two sockets: refused, and the sidecar goes on serving everybody else."""

import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest

from tests.fakes import agent_script
from tests.fakes.sidecar_issuer import FakeIssuer
from tests.fakes.sidecar_process import SidecarProcess
from tests.fakes.wire import Wire

METHOD = "/SpiffeWorkloadAPI/FetchJWTSVID"
GOOD = b"\x0a\x01a"  # JWTSVIDRequest(audience=["a"])


def call(sidecar: SidecarProcess, body: bytes, path: str = METHOD, **headers: str) -> dict[str, str]:
    """One call by hand; the response headers and trailers, empty when the connection was closed."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "x",
        "te": "trailers",
        "content-type": "application/grpc",
        "workload.spiffe.io": "true",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    found: dict[str, str] = {}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(sidecar.sockets / "workload.sock"))
        h2c = h2.connection.H2Connection(
            h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False)
        )
        h2c.initiate_connection()
        h2c.send_headers(1, list(fields.items()))
        h2c.send_data(1, body, end_stream=True)
        connection.sendall(h2c.data_to_send())
        while data := connection.recv(65536):
            for event in h2c.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                    found |= {str(name): str(value) for name, value in event.headers}
                if isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
                    return found
    return found


def message(content: bytes, *, flag: int = 0, size: int | None = None) -> bytes:
    return struct.pack(">BI", flag, len(content) if size is None else size) + content


def still_serves(sidecar: SidecarProcess) -> None:
    assert call(sidecar, message(GOOD))["grpc-status"] == "0"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", "3"),
        (message(b"\xff\xff\xff"), "3"),
        (message(b"\x0a\x02\xff\xfe"), "3"),  # audience that is not UTF-8
        (message(GOOD, size=100), "3"),
        (message(GOOD, size=2**32 - 1), "8"),
        (message(GOOD, size=70_000), "8"),
        (message(GOOD, flag=1), "12"),
        (message(b"\x12\x03x\nx" + GOOD), "3"),  # spiffe_id with a newline
    ],
)
def test_a_message_that_is_not_one_is_refused(served: SidecarProcess, body: bytes, status: str) -> None:
    """InvalidArgument, ResourceExhausted or Unimplemented, without reading what was announced into memory."""
    assert call(served, body)["grpc-status"] == status
    still_serves(served)


@pytest.mark.parametrize("path", ["/SpiffeWorkloadAPI/FetchWITSVID", "/", "/SpiffeWorkloadAPI/", "/../etc/passwd"])
def test_an_unknown_method_is_unimplemented(served: SidecarProcess, path: str) -> None:
    """A profile that is not served is Unimplemented (Workload Endpoint, appendix A)."""
    assert call(served, message(GOOD), path)["grpc-status"] == "12"
    still_serves(served)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00" * 4096,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x05\x01\x05\x00\x00\x00\x01\x00\x03a\xff\xfe",
    ],
)
def test_what_is_no_http2_is_hung_up_on(served: SidecarProcess, data: bytes) -> None:
    """Bytes that are no HTTP/2 end their own connection and nothing else."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(served.sockets / "workload.sock"))
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    still_serves(served)


def test_a_client_that_hangs_up_in_the_middle_does_no_harm(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """While its answer is being asked for, a client may go."""
    issuer.delay_seconds = 0.2
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(sidecar.sockets / "remit.sock"))
            connection.sendall(
                b"POST /v1/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
                b'{"audience":"a"}'
            )
    still_serves(sidecar)


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b'{"audience":"a"}', {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (b'{"audience":"a"}', {"Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
        (b"", {}, 400, "malformed_request"),
        (b"[" * 100_000, {}, 400, "malformed_request"),
        (b'{"audience":1}', {}, 400, "malformed_request"),
        (b'{"audience":""}', {}, 400, "malformed_request"),
        (b'{"audience":"a","more":1}', {}, 400, "malformed_request"),
        (b'{"audience":"a","authorization_details":[]}', {}, 400, "malformed_request"),
        (b'{"audience":"a","authorization_details":[{"type":"other"}]}', {}, 400, None),
        (b'{"audience":"a","authorization_details":[{"type":"agent_spend","version":1,"x":1}]}', {}, 400, None),
        (b'{"audience":"\xff"}', {}, 400, "malformed_request"),
        (b'{"audience":"' + b"a" * 2_000_000 + b'"}', {}, 413, "body_too_large"),
        (b'{"audience":"' + b"a" * 5000 + b'"}', {}, 400, "malformed_request"),
    ],
)
def test_a_body_that_is_not_a_request_is_a_problem(
    served: SidecarProcess, content: bytes, headers: dict[str, str], status: int, code: str | None
) -> None:
    """Each is a problem document with a stable code; the issuer is never asked."""
    with served.http() as http:
        answer = http.post("/v1/token", content=content, headers={"Content-Type": "application/json", **headers})
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert code in (None, answer.json()["code"])
    still_serves(served)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02 secret-of-somebody\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /v1/token HTTP/1.1\r\nHost: x\r\nsecret-of-somebody\r\n\r\n",
        b"POST /v1/token HTTP/1.1\r\nHost: x\r\nContent-Length: secret-of-somebody\r\n\r\n{}",
        b"GET /" + b"secret-of-somebody" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/token HTTP/1.1\r\nHost: x\r\nExpect: secret-of-somebody\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["bytes", "http2", "header", "length", "long", "expectation"],
)
def test_what_is_not_http_is_answered_in_form(served: SidecarProcess, data: bytes) -> None:
    """A problem document that repeats nothing of the input; the log is not filled by it."""
    before = len(served.output())
    answer = Wire(str(served.sockets / "remit.sock")).raw(data)
    assert (answer.status, answer.media_type) == (400, "application/problem+json")
    assert answer.json()["code"] == "malformed_request"
    assert b"secret" not in answer.body
    still_serves(served)
    log = served.output()[before:]
    assert "Traceback" not in log
    assert "secret" not in log


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/token", 405),
        ("POST", "/v1/identity", 405),
        ("POST", "/v1/launches/x/started", 404),
        ("POST", "/v1/launches/../../etc/started", 404),
    ],
)
def test_a_wrong_path_or_method_is_a_problem(served: SidecarProcess, method: str, path: str, status: int) -> None:
    """Also what no route serves is a problem document."""
    with served.http() as http:
        answer = http.request(method, path, json={})
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")


def test_a_launch_that_is_not_one_is_a_problem(served: SidecarProcess) -> None:
    """Paths that are relative, an empty command, a pid that is none, an agent that is no name."""
    good: dict[str, Any] = {"pid": os.getpid(), "executable": sys.executable, "argv": ["x"]}
    wrong = [{"pid": 0}, {"pid": -1}, {"argv": []}, {"executable": "python"}, {"script": "a.py"}, {"agent": "no name"}]
    with served.http() as http:
        for lie in wrong:
            answer = http.post("/v1/launches", json={**good, **lie})
            assert answer.status_code == 400, lie
            assert answer.json()["hint" if "agent" in lie else "code"], lie


def test_reasons_and_tokens_are_not_logged(sidecar: SidecarProcess) -> None:
    """The log holds neither a token, nor a reason, nor the join token."""
    with sidecar.http() as http:
        token = http.post("/v1/token", json={"audience": "a", "reason": "confidential"}).json()["token"]
        http.post("/v1/token", json={"audience": "a", "agent": "acme/nobody", "reason": "confidential"})
    assert sidecar.stop() == 0
    log = sidecar.output()
    assert "no_entry" in log
    assert not any(secret in log for secret in ("confidential", token, "remit_join_test", "remit_sc_"))


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become somebody else")
def test_another_user_may_ask_for_tokens_but_not_for_metrics(sidecar: SidecarProcess, issuer: FakeIssuer) -> None:
    """The sockets are for every uid; each is only who it is. Metrics are for root and the sidecar's own user."""
    issuer.register("acme/other", "unix:uid:12345")
    sidecar.folder.chmod(0o755)
    program = """
import http.client, json, os, socket, sys
os.setgroups([]); os.setresgid(12345, 12345, 12345); os.setresuid(12345, 12345, 12345)
def ask(method, path, body=None):
    connection = http.client.HTTPConnection("x"); connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(sys.argv[1])
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse(); return answer.status, answer.read().decode()
print(json.dumps([ask("POST", "/v1/token", '{"audience":"a"}'), ask("GET", "/metrics")]))
"""
    remit = str(sidecar.sockets / "remit.sock")
    (token_status, token), (metrics_status, _) = json.loads(
        subprocess.check_output(["/usr/bin/python3", "-c", program, remit])
    )
    assert (token_status, json.loads(token).get("agent")) == (200, "acme/other")
    assert metrics_status == 403
    with sidecar.http() as http:
        metrics = http.get("/metrics")
    assert 'remit_sidecar_calls_total{method="/v1/token",outcome="ok"}' in metrics.text


def test_a_held_connection_of_a_process_that_ended_is_refused(sidecar: SidecarProcess) -> None:
    """The connection lives on in another process; its owner does not, so nobody is there to answer to."""
    ours, theirs = socket.socketpair()
    program = """
import socket, sys
connection = socket.socket(socket.AF_UNIX); connection.connect(sys.argv[1])
socket.send_fds(socket.socket(fileno=0), [b"x"], [connection.fileno()])
"""
    command = [sys.executable, "-c", program, str(sidecar.sockets / "remit.sock")]
    subprocess.run(command, stdin=theirs, check=True)
    _, (descriptor,), _, _ = socket.recv_fds(ours, 1, 1)
    with socket.socket(fileno=descriptor) as connection, ours, theirs:
        answer = agent_script.ask(connection, {"audience": "a"})
    assert answer["code"] == "evidence_refused"


def test_many_connections_are_served_and_let_go(sidecar: SidecarProcess) -> None:
    """Connections that come and go leave no descriptors behind."""
    assert sidecar.process is not None
    descriptors = Path(f"/proc/{sidecar.process.pid}/fd")
    for _ in range(500):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(sidecar.sockets / "remit.sock"))
            assert agent_script.ask(connection, {"audience": "a"})["agent"] == "acme/planner"
    assert len(list(descriptors.iterdir())) < 400
