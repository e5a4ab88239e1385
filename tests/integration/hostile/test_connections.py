"""What is not HTTP, never ends, or comes all at once: the issuer answers or hangs up, and goes on serving."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fakes.ground import JSON, SECRET, check_log, check_refusal
from tests.fakes.wire import read

REQUEST_SECONDS = 2  # as conftest sets it
POST = "POST /v1/admin/accounts HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
GET = "GET /keys HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"

GARBAGE = {
    "bytes": b"\x00\x01\x02\x03 \xff\r\n\r\n",
    "a tls hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 200 + b"\r\n\r\n",
    "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another version": b"GET /keys HTTP/9.9\r\nHost: x\r\n\r\n",
    "a control character in the path": b"GET /ke\x01ys HTTP/1.1\r\nHost: x\r\n\r\n",
    "a byte that is not text in the path": b"GET /v1/admin/accounts/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long path": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long header": f"{GET}X: {SECRET}{'a' * 100_000}\r\n\r\n".encode(),
    "a long credential": f"{GET}Authorization: Bearer {SECRET}{'a' * 100_000}\r\n\r\n".encode(),
    "many headers": (GET + "X: y\r\n" * 5_000 + "\r\n").encode(),
    "a header without a colon": f"{GET}Authorization Bearer {SECRET}\r\n\r\n".encode(),
    "a folded header": f"{GET}Authorization: Bearer\r\n {SECRET}\x00\r\n\r\n".encode(),
    "a null in a header": f"{GET}Authorization: Bearer {SECRET}\0\r\n\r\n".encode(),
    "a negative length": f"{POST}Content-Length: -2\r\n\r\n{{}}".encode(),
    "a length that is no number": f"{POST}Content-Length: two\r\n\r\n{{}}".encode(),
    "two lengths": f"{POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}".encode(),
    "a length and chunks": f"{POST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode(),
    "a transfer encoding that is none": f"{POST}Transfer-Encoding: x\r\n\r\n{{}}".encode(),
    "a chunk that is none": f"{POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n".encode(),
    "an expectation": f"{POST}Expect: miracles\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
}


def memory(pid):
    """Resident bytes of a process."""
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def strangers(ground):
    """The refusals of callers nobody knows that are on record."""
    return [code for actor, code in ground.refusals() if actor == "anonymous"]


@pytest.mark.parametrize("wrong", GARBAGE)
def test_what_is_not_http_is_answered_in_form(ground, wrong):
    """A problem document that repeats nothing of the input and does not say what the server is made of."""
    with ground.unchanged():
        answer = ground.wire.raw(GARBAGE[wrong])
    check_refusal(answer, code="malformed_request")
    assert answer.status == 400
    assert answer.headers["server"] == "remit"
    check_log(ground.issuer)


def test_garbage_behind_a_request(ground):
    """The request before it is answered, the garbage refused, and the connection closed."""
    with ground.unchanged(), ground.wire.connect() as connection:
        connection.sendall(b"GET /healthz/live HTTP/1.1\r\nHost: x\r\n\r\n")
        received = connection.recv(65536)
        connection.sendall(b"\xff\xff\xff garbage\r\n\r\n")
        while part := connection.recv(65536):
            received += part
    assert received.count(b"HTTP/1.") == 2
    assert b'{"status":"live"}' in received
    assert b"malformed_request" in received


def test_a_request_smuggled_in_a_body(ground):
    """What is behind a body by its length is another request, with its own credential or none."""
    body = b"{}GET /v1/admin/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    head = (
        POST.replace("Connection: close\r\n", "") + f"Authorization: Bearer {ground.admin}\r\nContent-Length: 2\r\n\r\n"
    )
    with ground.unchanged(), ground.wire.connect() as connection:
        connection.sendall(head.encode() + body)
        received = b""
        while part := connection.recv(65536):
            received += part
    assert received.count(b"HTTP/1.1 400") == 1
    assert received.count(b"HTTP/1.1 401") == 1


@pytest.mark.parametrize("told", ["99999999999999", "1048577", "18446744073709551617"])
def test_a_length_that_is_too_large_is_refused_before_it_comes(ground, told):
    """413 at once, or 400 where it is no length at all."""
    head = f"{POST}Authorization: Bearer {ground.admin}\r\nContent-Length: {told}\r\n\r\n{{"
    began = time.monotonic()
    with ground.unchanged(), ground.wire.connect() as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65536)
    assert b"body_too_large" in answer or b"malformed_request" in answer
    assert time.monotonic() - began < REQUEST_SECONDS


def test_slow_requests_are_ended(ground):
    """Heads and bodies that come byte by byte hold a connection for a bounded time, and stop nobody else."""
    head = f"{POST}Authorization: Bearer {ground.admin}\r\nContent-Length: 20\r\n\r\n{{"
    slow = [ground.wire.connect() for _ in range(60)]
    began = time.monotonic()
    try:
        for number, connection in enumerate(slow):
            connection.sendall(head.encode() if number % 2 else head[:60].encode())
        asked = time.monotonic()
        assert ground.wire.send("GET", "/healthz/ready").status == 200
        assert time.monotonic() - asked < 1
        answers = [read(connection) for connection in slow]
    finally:
        for connection in slow:
            connection.close()
    assert time.monotonic() - began < REQUEST_SECONDS + 8
    assert {answer.status for answer in answers[::2]} == {0}
    assert {check_refusal(answer) for answer in answers[1::2]} == {"request_timeout"}


def test_two_hundred_connections_at_once(ground):
    """Each is answered, valid or not, and what they took is given back."""
    good = [("Authorization", f"Bearer {ground.admin}")]

    def ask(number):
        if number % 2:
            return ground.wire.send("GET", "/v1/admin/whoami", good).status
        return ground.wire.send("POST", "/v1/admin/accounts", [*good, ("Content-Type", JSON)], b"[" * 100_000).status

    with ground.unchanged(), ThreadPoolExecutor(200) as pool:
        assert sorted(pool.map(ask, range(200))) == [200] * 100 + [400] * 100


def test_large_bodies_do_not_pile_up(ground):
    """Fifty uploads that never end cost no more than their bodies may be long."""
    before = memory(ground.issuer.process.pid)
    head = f"{POST}Authorization: Bearer {ground.admin}\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n"
    held = [ground.wire.connect() for _ in range(50)]
    try:
        for connection in held:
            connection.sendall(head.encode() + b" " * 900_000)
        assert ground.wire.send("GET", "/healthz/ready").status == 200
        assert memory(ground.issuer.process.pid) - before < 200 << 20
    finally:
        for connection in held:
            connection.close()


def test_a_flood_of_strangers_does_not_fill_the_log(ground):
    """Their refusals are recorded at a bounded rate for each code."""
    before = len(strangers(ground))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ground.wire.send("GET", "/v1/admin/whoami").status, range(300)))
    assert set(answers) == {401}
    assert len(strangers(ground)) - before <= 101


def test_a_bomb_of_json_is_refused_quickly(ground):
    """A megabyte of the worst JSON takes less than a second, and nobody waits for it."""
    headers = [("Authorization", f"Bearer {ground.admin}"), ("Content-Type", JSON)]
    worst = [
        b"[" * (1 << 20),
        b"[" + b"{}," * 300_000 + b"0]",
        b'{"a":' * 170_000,
        json.dumps({f"k{number}": 0 for number in range(70_000)}).encode(),
        b'{"name":' + b"9" * 1_000_000 + b"}",
        b'{"name":"' + b"\\u0000" * 170_000 + b'"}',
    ]
    with ground.unchanged():
        for body in worst:
            began = time.monotonic()
            check_refusal(ground.wire.send("POST", "/v1/admin/accounts", headers, body), code="malformed_request")
            assert time.monotonic() - began < 2
