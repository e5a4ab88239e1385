"""The token endpoint as the sidecar uses it."""

import json
from urllib.parse import parse_qs

import pytest

from remit.errors import UnavailableError
from remit.jose import b64url_encode
from sidecar.errors import IssuerRefusedError
from sidecar.exchange import Exchange
from sidecar.issue import IssuedToken, TokenRequest

PLANNER = "spiffe://example.org/account/acme/agent/planner"
SUBJECT = IssuedToken("acme/planner", PLANNER, "subject.token.x", 0, 300, None)


class Endpoint:
    """Answers with a token of `subject`, or raises `error`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.subject = f"{PLANNER}/sub/reader"
        self.error: Exception | None = None
        self.answer: bytes | None = None
        self.exchange = Exchange("https://i", self.post).exchange

    async def post(self, path: str, form: bytes) -> bytes:
        self.asked.append((path, parse_qs(form.decode())))
        if self.error is not None:
            raise self.error
        status = {"status_list": {"uri": "https://i/statuslists/1", "idx": 5}}
        claims = {"sub": self.subject, "iat": 10, "exp": 100, "status": status, "txn": "task-81"}
        header, payload = (b64url_encode(json.dumps(part).encode()) for part in ({"kid": "k"}, claims))
        return self.answer or json.dumps({"access_token": f"{header}.{payload}.AA"}).encode()


async def test_what_is_asked_of_the_endpoint() -> None:
    """RFC 8693 with our parameters; what is not asked for is not sent."""
    endpoint = Endpoint()
    asked = TokenRequest(
        "https://api.example.com", "acme/planner", "task-81", b'[{"a":1}]', "why", 60, None, "reader", 30
    )
    issued = await endpoint.exchange(SUBJECT, asked)
    assert endpoint.asked == [
        (
            "/token",
            {
                "grant_type": ["urn:ietf:params:oauth:grant-type:token-exchange"],
                "subject_token": ["subject.token.x"],
                "subject_token_type": ["urn:ietf:params:oauth:token-type:access_token"],
                "agent": ["acme/planner/sub/reader"],
                "audience": ["https://api.example.com"],
                "authorization_details": ['[{"a":1}]'],
                "task": ["task-81"],
                "task_ttl_seconds": ["60"],
                "ttl_seconds": ["30"],
                "reason": ["why"],
            },
        )
    ]
    assert (issued.agent, issued.issued_at, issued.expires_at, issued.task) == (
        "acme/planner/sub/reader",
        10,
        100,
        "task-81",
    )
    await endpoint.exchange(SUBJECT, TokenRequest("a", sub_agent="reader"))
    assert not {"task", "reason", "ttl_seconds", "authorization_details"} & endpoint.asked[1][1].keys()


async def test_the_last_name_is_the_step() -> None:
    """A deeper sub-agent is below who holds the subject token, which is the one above it."""
    endpoint = Endpoint()
    endpoint.subject = f"{PLANNER}/sub/reader/sub/x"
    above = IssuedToken("acme/planner/sub/reader", f"{PLANNER}/sub/reader", "s.t.x", 0, 300, "task-81")
    issued = await endpoint.exchange(above, TokenRequest("a", sub_agent="reader/sub/x"))
    assert issued.agent == "acme/planner/sub/reader/sub/x"
    assert endpoint.asked[0][1]["task"] == ["task-81"]


async def test_a_token_of_somebody_else_is_not_given() -> None:
    """What comes back must be the sub-agent that was asked for."""
    endpoint = Endpoint()
    endpoint.subject = PLANNER
    with pytest.raises(UnavailableError, match="not that of a token exchange"):
        await endpoint.exchange(SUBJECT, TokenRequest("a", sub_agent="reader"))


@pytest.mark.parametrize("answer", [b"no json", b"{}", b'{"access_token":"x"}', b'{"access_token":1}'])
async def test_answers_that_make_no_sense(answer: bytes) -> None:
    """They are an issuer that cannot say, never a crash."""
    endpoint = Endpoint()
    endpoint.answer = answer
    with pytest.raises(UnavailableError):
        await endpoint.exchange(SUBJECT, TokenRequest("a", sub_agent="reader"))


async def test_a_refusal_is_the_workloads_to_hear() -> None:
    """OAuth's status 400 stands for every refusal; here it is a refusal like any other, with the issuer's code."""
    endpoint = Endpoint()
    endpoint.error = IssuerRefusedError("it is wider", code="scope_too_wide", status=400, hint="less")
    with pytest.raises(IssuerRefusedError) as refusal:
        await endpoint.exchange(SUBJECT, TokenRequest("a", sub_agent="reader"))
    assert (refusal.value.code, refusal.value.status, refusal.value.hint) == ("scope_too_wide", 403, "less")
