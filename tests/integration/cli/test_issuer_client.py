"""HTTP to the issuer, over real sockets."""

import pytest

from cli.issuer_client import IssuerClient, parse_issuer_url
from cli.problems import ProblemError
from remit.errors import InvalidInputError, UnavailableError
from tests.fakes.plain_http import Answer, Request, serve_fake


def test_a_write_whose_answer_was_lost_is_repeated_with_the_same_key():
    """The issuer can tell a repetition from a second wish."""
    answers = iter([Answer(0), Answer(201, {"name": "acme"})])

    with serve_fake(lambda _request: next(answers)) as fake, IssuerClient(fake.url, "remit_op_x") as client:
        assert client.post("/v1/admin/accounts", {"name": "acme", "owner": "o", "contact": None}) == {"name": "acme"}

    first, second = fake.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.headers["authorization"] == "Bearer remit_op_x"
    assert first.headers["content-type"] == "application/json"
    assert first.json() == {"name": "acme", "owner": "o"}


def test_two_writes_have_two_keys():
    """The same wish twice is two wishes."""
    with serve_fake(lambda _request: Answer(200, {})) as fake, IssuerClient(fake.url) as client:
        client.post("/x", {})
        client.post("/x", {})

    first, second = fake.requests
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


@pytest.mark.parametrize(
    ("limit", "expected", "asked"), [(None, 5, ["500", "500", "500"]), (3, 3, ["3", "1"]), (2, 2, ["2"])]
)
def test_a_list_is_read_page_by_page(limit: int | None, expected: int, asked: list[str]):
    """To the end, or to the limit, and not one request further."""

    def answer(request: Request) -> Answer:
        query = dict(pair.split("=") for pair in request.target.partition("?")[2].split("&"))
        start = int(query.get("after", 0))
        items = [{"n": n} for n in range(start, min(start + 2, 5))]
        return Answer(200, {"items": items, "next": str(start + 2) if start + 2 < 5 else None})

    with serve_fake(answer) as fake, IssuerClient(fake.url) as client:
        found = list(client.pages("/v1/admin/accounts", limit=limit))

    assert [item["n"] for item in found] == list(range(expected))
    assert [request.target.partition("limit=")[2].partition("&")[0] for request in fake.requests] == asked


def test_a_problem_document_is_an_error_with_its_code_and_hint():
    """What the issuer says is what people read."""
    problem = {
        "type": "urn:remit:problem:conflict",
        "status": 409,
        "code": "conflict",
        "detail": "exists",
        "hint": "other",
    }

    with (
        serve_fake(lambda _request: Answer(409, problem)) as fake,
        IssuerClient(fake.url) as client,
        pytest.raises(ProblemError) as caught,
    ):
        client.get("/x")

    error = caught.value
    assert (error.code, error.detail, error.hint, error.status) == ("conflict", "exists", "other", 409)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>hello</html>"),
        Answer(200, [1]),
        Answer(404, b"nothing"),
        Answer(502, b""),
        Answer(200, b"\xff"),
        Answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
    ],
    ids=["html", "array", "plain-404", "empty-502", "no-utf8", "redirect"],
)
def test_something_else_that_listens_there_is_recognised(answer: Answer):
    """A proxy's page or another service is no answer, and a redirect is not followed: it would carry the credential along."""
    with (
        serve_fake(lambda _request: answer) as fake,
        IssuerClient(fake.url, "secret") as client,
        pytest.raises(UnavailableError, match="never answers") as caught,
    ):
        client.get("/x")

    assert len(fake.requests) == 1
    assert "secret" not in str(caught.value)


def test_nobody_there_is_said_with_the_url():
    """One line that names what was tried."""
    with IssuerClient("http://127.0.0.1:9") as client, pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:9"):
        client.get("/x")


def test_a_list_of_another_form_is_refused():
    """An issuer of another version does not end in a traceback."""
    with (
        serve_fake(lambda _request: Answer(200, {"items": [1]})) as fake,
        IssuerClient(fake.url) as client,
        pytest.raises(UnavailableError, match="does not know"),
    ):
        list(client.pages("/x"))


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example.org",
        "http://10.0.0.1:8750",
        "ftp://x",
        "issuer.example.org",
        "",
        "https://u:p@x",
        "https://x?y",
        "https://[::",
    ],
)
def test_a_url_that_would_leak_the_credential_is_refused(url: str):
    """Plain http is for this machine only; the URL is an issuer's and nothing more."""
    with pytest.raises(InvalidInputError):
        parse_issuer_url(url)


@pytest.mark.parametrize(
    "url", ["http://localhost:8750", "http://127.0.0.1:1", "http://[::1]:1", "https://issuer.example.org/"]
)
def test_a_url_loses_its_trailing_slash_only(url: str):
    """It is then what stands in `iss`."""
    assert parse_issuer_url(url) == url.removesuffix("/")
