"""The WSGI middleware under wsgiref and werkzeug, over real sockets, with a real verifier."""

import http.client
from collections.abc import Callable, Iterable, Iterator
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import httpx
import pytest
from werkzeug.serving import WSGIRequestHandler as WerkzeugHandler
from werkzeug.serving import make_server as make_werkzeug_server

import remit
from remit.integrations.wsgi import RemitMiddleware
from tests.fakes.public_issuer import PublicIssuer


def _app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/spend":
        environ["remit.credential"].authorize(location="https://api.example.com/elsewhere")
    body = str(environ["remit.credential"].agent if "remit.credential" in environ else None).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        """Stay silent."""


class _QuietWerkzeug(WerkzeugHandler):
    def log_request(self, *args: object) -> None:
        """Stay silent."""


@pytest.fixture(scope="module", params=["wsgiref", "werkzeug"])
def api(request: pytest.FixtureRequest, verifier: remit.Verifier) -> Iterator[tuple[str, int]]:
    """The host and port of the application."""
    app = RemitMiddleware(_app, verifier, public_url="https://api.example.com", exempt=("/healthz", "/gesundé"))
    if request.param == "wsgiref":
        server = make_server("127.0.0.1", 0, validator(app), handler_class=_Quiet)
    else:
        server = make_werkzeug_server("127.0.0.1", 0, app, threaded=True, request_handler=_QuietWerkzeug)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield "127.0.0.1", server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def _get(api: tuple[str, int], path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.get(f"http://{api[0]}:{api[1]}{path}", headers=headers)


def test_accepts(api: tuple[str, int], issuer: PublicIssuer) -> None:
    """A good token reaches the application as a credential."""
    answer = _get(api, "/who", {"Authorization": f"Bearer {issuer.token()}"})
    assert (answer.status_code, answer.text) == (200, "acme/planner")


def test_refuses(api: tuple[str, int], issuer: PublicIssuer) -> None:
    """Without a token, with a bad one, and outside the scope: a problem document with its challenge."""
    for path, headers, status in (
        ("/who", {}, 401),
        ("/who", {"Authorization": "Bearer a.b.c"}, 401),
        ("/spend", {"Authorization": f"Bearer {issuer.token()}"}, 403),
    ):
        answer = _get(api, path, headers)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert "www-authenticate" in answer.headers


def test_exempt(api: tuple[str, int]) -> None:
    """An exempt path needs no credential, in whatever script it is written."""
    assert _get(api, "/healthz").text == "None"
    assert _get(api, "/gesundé").text == "None"
    assert _get(api, "/healthz/").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", b"Bearer a"), ("Authorization", b"Bearer a")],
        [("Authorization", b"Bearer \xff")],
        [("Authorization", b"Bearer " + b"a" * 30000)],
        [("Authorization", b"DPoP a"), ("DPoP", b"a"), ("DPoP", b"b")],
        [("Authorization", b"")],
    ],
)
def test_bad_headers(api: tuple[str, int], headers: list[tuple[str, bytes]]) -> None:
    """Doubled, odd and huge headers are refused, and the server stays up."""
    for _ in range(2):
        connection = http.client.HTTPConnection(*api)
        connection.putrequest("GET", "/who")
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status in (400, 401)
        connection.close()
