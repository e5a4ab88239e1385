"""Bad input to every operator route: a problem document with a stable code, nothing changed, a record, the server up."""

import json
from io import BytesIO

import pytest

from issuer.http.requests import MAX_BODY_BYTES

SECRET = "remit_op_must-not-come-back"
TYPE, REASON = "application/json", "a test"

VALID = {
    "/accounts": {"name": "new", "owner": "o"},
    "/agents": {"agent": "acme/new"},
    "/entries": {"agent": "acme/planner", "selectors": ["unix:uid:1"]},
    "/grants": {"agent": "acme/planner", "task": "t"},
    "/join-tokens": {"sidecar": "edge-1"},
    "/operators": {"name": "new", "role": "viewer"},
    "/import": {"records": [{"kind": "account", "name": "new", "owner": "o"}]},
    "/resolve": {"what": "acme"},
    "/suspend": {"what": "acme", "reason": REASON},
    "/resume": {"what": "acme", "reason": REASON},
    "/revoke": {"what": "acme", "reason": REASON},
}


def bodies(valid: dict) -> dict[str, tuple[bytes, str, int, str]]:
    """Bad bodies by what is wrong with them: body, content type, status, code."""
    text = json.dumps(valid).encode()
    first = next(iter(valid))
    deep = b'{"%s":%s%s}' % (first.encode(), b"[" * 50_000, b"]" * 50_000)
    return {
        "another content type": (text, "text/plain", 415, "unsupported_media_type"),
        "another charset": (text, "application/json; charset=utf-16", 415, "unsupported_media_type"),
        "a form": (b"name=new", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        "nothing": (b"", TYPE, 400, "malformed_request"),
        "no json": (b"{", TYPE, 400, "malformed_request"),
        "no utf-8": (b'{"\xff":1}', TYPE, 400, "malformed_request"),
        "a list": (b"[]", TYPE, 400, "malformed_request"),
        "a number": (b"7", TYPE, 400, "malformed_request"),
        "null": (b"null", TYPE, 400, "malformed_request"),
        "nothing in it": (b"{}", TYPE, 400, "malformed_request"),
        "an unknown field": (json.dumps(valid | {"x": SECRET}).encode(), TYPE, 400, "malformed_request"),
        "a wrong type": (json.dumps(valid | {first: {"a": SECRET}}).encode(), TYPE, 400, "malformed_request"),
        "a null field": (json.dumps(valid | {first: None}).encode(), TYPE, 400, "malformed_request"),
        "an empty field": (json.dumps(valid | {first: ""}).encode(), TYPE, 400, "malformed_request"),
        "deep nesting": (deep, TYPE, 400, "malformed_request"),
        "NaN": (b'{"%s":NaN}' % first.encode(), TYPE, 400, "malformed_request"),
        "too long": (text + b" " * MAX_BODY_BYTES, TYPE, 413, "body_too_large"),
    }


CASES = [(path, wrong) for path, valid in VALID.items() for wrong in bodies(valid)]


@pytest.fixture
async def issuer(issuer):
    await issuer.register("acme/planner")
    return issuer


@pytest.mark.parametrize(("path", "wrong"), CASES)
async def test_a_bad_body_is_refused_by_every_route(issuer, path, wrong):
    """With its status and code; the answer repeats no value; the refusal is recorded and nothing else is."""
    body, content_type, status, code = bodies(VALID[path])[wrong]
    before = await issuer.records()
    headers = {"Authorization": f"Bearer {issuer.token}", "Content-Type": content_type}
    response = await issuer.client.post(f"/v1/admin{path}", data=BytesIO(body), headers=headers)
    assert (response.status, response.content_type) == (status, "application/problem+json")
    problem = await response.json(content_type=None)
    assert (problem["code"], problem["type"], problem["status"]) == (code, f"urn:remit:problem:{code}", status)
    assert SECRET not in str(problem)
    (record,) = (await issuer.records())[len(before) :]
    assert (record.kind, record.outcome, record.actor) == ("request", "refused", "operator:root")
    assert record.detail["code"] == code
    assert SECRET not in str(record)
    await issuer.call("GET", "/whoami", status=200)


FIELDS = [
    ("/accounts", {"name": "a/b"}),
    ("/accounts", {"name": ".."}),
    ("/accounts", {"name": "acme\n"}),
    ("/accounts", {"name": "é"}),
    ("/accounts", {"owner": "o" * 257}),
    ("/accounts", {"owner": "bell\x07"}),
    ("/accounts", {"contact": "\x1b[2J"}),
    ("/agents", {"agent": "acme"}),
    ("/agents", {"agent": "acme/x/y"}),
    ("/agents", {"agent": "acme/x/sub/"}),
    ("/agents", {"description": "two\nlines"}),
    ("/entries", {"selectors": []}),
    ("/entries", {"selectors": [""]}),
    ("/entries", {"selectors": ["unix"]}),
    ("/entries", {"selectors": ["unix:"]}),
    ("/entries", {"selectors": ["unix:uid:1\n"]}),
    ("/entries", {"selectors": [7]}),
    ("/entries", {"selectors": [f"unix:uid:{n}" for n in range(33)]}),
    ("/entries", {"sidecar": "a/b"}),
    ("/entries", {"ttl_seconds": 0}),
    ("/entries", {"ttl_seconds": 1.5}),
    ("/entries", {"ttl_seconds": "60"}),
    ("/grants", {"task": ""}),
    ("/grants", {"task": "a b"}),
    ("/grants", {"task": "t" * 129}),
    ("/grants", {"funding": "gift"}),
    ("/grants", {"expires_in_seconds": -1}),
    ("/grants", {"scope": []}),
    ("/grants", {"scope": {}}),
    ("/grants", {"scope": {"type": "agent_spend", "version": 1, "colour": "red"}}),
    ("/grants", {"scope": {"type": "agent_spend", "version": 2}}),
    ("/grants", {"scope": {"type": "agent_spend", "version": 1, "tools": [f"{number:040}" for number in range(100)]}}),
    ("/grants", {"scope": {"type": "agent_spend", "version": 1, "spend_limits": [{"amount": 1.5}]}}),
    ("/join-tokens", {"ttl_seconds": 0}),
    ("/join-tokens", {"ttl_seconds": 10**9}),
    ("/operators", {"name": "a b"}),
    ("/operators", {"name": "ana\n"}),
    ("/operators", {"role": "king"}),
    ("/operators", {"account": "a/b"}),
    ("/import", {"records": []}),
    ("/import", {"records": [{"kind": "king"}]}),
    ("/import", {"records": [{"name": "new", "owner": "o"}]}),
    ("/import", {"records": [{"kind": "account", "name": "n", "owner": "o", "x": 1}]}),
    ("/import", {"records": [{"kind": "account", "name": f"n{n}", "owner": "o"} for n in range(1001)]}),
    ("/revoke", {"what": "w" * 16_385}),
    ("/revoke", {"reason": "two\nlines"}),
    ("/revoke", {"ticket": ""}),
    ("/revoke", {"what": "spiffe://other.org/account/acme/agent/x"}),
    ("/revoke", {"what": "spiffe://example.org/something/else"}),
    ("/revoke", {"what": "did:web:other.org:account:acme"}),
    ("/revoke", {"what": "did:key:zabc"}),
    ("/revoke", {"what": "eyJhbGciOiJFUzI1NiJ9.e30.AA"}),
    ("/revoke", {"what": "eyJhbGciOiJFUzI1NiJ9.!!.AA"}),
]


@pytest.mark.parametrize(("path", "changed"), FIELDS, ids=lambda value: str(value)[:60])
async def test_a_field_that_is_not_valid_is_refused(issuer, path, changed):
    """As `malformed_request`, and nothing is registered."""
    before = await issuer.records(outcome="allowed")
    problem = await issuer.call("POST", path, VALID[path] | changed, status=400)
    assert problem["code"] == "malformed_request"
    assert problem["detail"][0] != " "
    assert await issuer.records(outcome="allowed") == before


async def test_a_value_is_never_repeated(issuer):
    """What was wrong is named by its field; a secret that was put in the wrong place does not come back."""
    for path, body in (
        ("/accounts", {"name": f"{SECRET}/x", "owner": "o"}),
        ("/operators", {"name": "new", "role": SECRET}),
        ("/import", {"records": [{"kind": SECRET}]}),
        ("/grants", {"agent": "acme/planner", "scope": {"type": SECRET}}),
        ("/grants", {"agent": "acme/planner", "scope": {"type": "agent_spend", "version": 1, "locations": [SECRET]}}),
        ("/revoke", {"what": f"spiffe://{SECRET.upper()}/x", "reason": "r"}),
        ("/revoke", {"what": f"did:{SECRET}", "reason": "r"}),
    ):
        problem = await issuer.call("POST", path, body, status=400)
        assert SECRET.lower() not in str(problem).lower(), path


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "colour=red", "after=" + "x" * 2049]
)
@pytest.mark.parametrize("noun", ["accounts", "agents", "entries", "grants", "sidecars", "operators", "audit"])
async def test_bad_query_parameters_are_refused(issuer, noun, query):
    """Unknown ones, repeated ones, and values out of range."""
    assert (await issuer.call("GET", f"/{noun}?{query}", status=400))["code"] == "malformed_request"


@pytest.mark.parametrize("noun", ["entries", "grants"])
async def test_a_filter_that_is_no_name_is_refused(issuer, noun):
    """An agent that cannot exist is not the same as one that is not there."""
    assert (await issuer.call("GET", f"/{noun}?agent=..", status=400))["code"] == "malformed_request"


@pytest.mark.parametrize("path", ["/accounts/none", "/agents/acme/none", "/entries/none", "/grants/none", "/nothing"])
async def test_what_is_not_there_is_not_found(issuer, path):
    """404, in the same form."""
    assert (await issuer.call("GET", path, status=404))["code"] == "not_found"


async def test_a_method_that_is_not_taken_is_refused_with_those_that_are(issuer):
    """405 with `Allow`."""
    response = await issuer.send("PUT", "/accounts")
    assert response.status == 405
    assert "POST" in response.headers["Allow"]
    assert (await response.json(content_type=None))["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic cm9vdDp4", "Bearer remit_op_wrong", "bearer  x", "remit_op_wrong"]
)
async def test_a_request_without_a_known_credential_is_refused(issuer, header):
    """401 with `WWW-Authenticate`, whatever else is wrong with the request."""
    response = await issuer.client.post("/v1/admin/accounts", data=b"{", headers={"Authorization": header})
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert (await response.json(content_type=None))["code"] == "unauthenticated"
    assert (await issuer.records())[-1].actor == "anonymous"


async def test_anonymous_refusals_do_not_fill_the_log(issuer):
    """A flood of them is recorded up to a bound, those of known callers always; the bound refills with time."""
    for _ in range(130):
        await issuer.call("GET", "/whoami", token=None, status=401)
    assert len(await issuer.records(outcome="refused")) == 100
    for _ in range(5):
        await issuer.call("GET", "/nothing", token=issuer.token, status=404)
    issuer.clock.ms += 20_000
    for _ in range(5):
        await issuer.call("GET", "/whoami", token=None, status=401)
    assert (
        len(
            [record for record in await issuer.records(outcome="refused") if record.detail["code"] == "unauthenticated"]
        )
        == 102
    )
