"""Every route: other methods, hostile paths and queries, callers who are not known or may not."""

import json
import re

import pytest

from issuer.http.openapi.document import OPERATIONS
from issuer.http.openapi.model import Access
from issuer.registry.roles import Role
from issuer.status.events import MEDIA_TYPE as EVENTS
from tests.fakes.ground import JSON, SECRET, VALID, check_refusal

PATHS = sorted({operation.path for operation in OPERATIONS})
GUARDED = [operation for operation in OPERATIONS if operation.access is Access.OPERATOR]
PROVED = [operation for operation in OPERATIONS if operation.access in (Access.PROOF, Access.SESSION)]
VARIED = [operation for operation in OPERATIONS if operation.parameters]
LISTED = [operation for operation in OPERATIONS if operation.query is not None]
ENDLESS = {operation.path for operation in OPERATIONS if operation.media_type == EVENTS}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
SEGMENTS = [
    *(
        "..",
        ".",
        "%2e%2e",
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "%0a",
        "%0d%0aX-Injected:%201",
        "%ff",
        "%zz",
        "%",
        "%e2%80%ae",
    ),
    *("a" * 5000, "'%20OR%201=1--", "-1", "0", "99999999999999999999", "*", "%25", "acme%2f..%2frival", ";", SECRET),
]
TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiJ4In0.c2lnbmF0dXJl"


def named(operation):
    return f"{operation.method} {operation.path}"


def filled(path, value="x"):
    return re.sub(r"\{\w+\}", lambda _: value, path)


def body_of(operation):
    return json.dumps(VALID[operation.path]).encode() if operation.path in VALID and operation.method == "POST" else b""


@pytest.mark.parametrize("path", PATHS)
def test_another_method_is_refused_with_those_that_are_taken(ground, path):
    """405 with `Allow`, for whoever asks; HEAD is GET without its body."""
    taken = {operation.method for operation in OPERATIONS if operation.path == path}
    taken |= {"HEAD"} if "GET" in taken else set()
    with ground.unchanged():
        for method in set(METHODS) - taken:
            answer = ground.wire.send(method, filled(path))
            assert answer.status == 405, method
            check_refusal(answer, code="method_not_allowed")
            assert set(answer.headers["allow"].split(",")) == taken
        for method in ("FROB", "get", "", "GET\tPOST"):
            check_refusal(ground.wire.send(method, filled(path)), code="malformed_request")
        head = ground.wire.send("HEAD", filled(path))
        assert head.body == b""
        if path in ENDLESS:
            assert head.status == 200
        else:
            assert head.status == (ground.wire.send("GET", filled(path)).status if "GET" in taken else 405)


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_a_path_that_goes_on_is_not_there(ground, operation):
    """404, or what the longer path means; never another route's answer."""
    with ground.unchanged():
        for tail in ("/", "//", "/x/y/z/../..", ".json", "%00", "%0a", ";a=b", "/%2e%2e/keys"):
            answer = ground.ask(operation, body_of(operation), path=filled(operation.path) + tail)
            assert answer.status in {400, 401, 404, 405}, (tail, answer)
            check_refusal(answer)


@pytest.mark.parametrize("operation", VARIED, ids=named)
def test_hostile_names_in_the_path(ground, operation):
    """Refused in the proper form; nothing is traversed, injected or repeated that is a secret."""
    with ground.unchanged():
        for segment in [*SEGMENTS, TOKEN]:
            if "{seq}" in operation.path and segment == "0":  # the number of no change at all
                continue
            answer = ground.ask(operation, path=filled(operation.path, segment))
            check_refusal(answer, operation)
            assert "x-injected" not in answer.headers
            assert TOKEN not in answer.body.decode()


@pytest.mark.parametrize("operation", LISTED, ids=named)
def test_hostile_queries(ground, operation):
    """Unknown, repeated and wrong parameters are refused; hostile text finds nothing."""
    with ground.unchanged():
        for query in ("limit=0", "limit=-1", "limit=9" + "9" * 400, "limit=1&limit=1", "x=1", f"{SECRET}=1"):
            answer = ground.ask(operation, path=f"{filled(operation.path, '0')}?{query}")
            check_refusal(answer, operation, code="malformed_request")
        for segment in [*SEGMENTS, TOKEN]:
            for name in operation.query.__struct_fields__:
                answer = ground.ask(operation, path=f"{filled(operation.path, '0')}?{name}={segment.replace(' ', '+')}")
                assert answer.status == 200 or check_refusal(answer, operation), (name, segment)
                assert TOKEN not in answer.body.decode()


@pytest.mark.parametrize("operation", [*GUARDED, *PROVED], ids=named)
def test_nobody_is_admitted_without_a_credential(ground, operation):
    """None, an unknown one, two, another scheme's, one that is not text: 401, whatever else is wrong."""
    admin, session = f"Bearer {ground.admin}", f"DPoP {ground.sidecar.session}"
    wrong = [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {SECRET}",
        f"Basic {ground.admin}",
        ground.admin,
        "Bearer é",
        "DPoP é",
        TOKEN,
    ]
    wrong += [f"{admin}, {admin}", f"{admin} x", f"Bearer  {ground.admin}", f"Bearer {ground.sidecar.session}"]
    wrong += ["Bearer " + "a" * 8000] + ([session] if operation.access is Access.OPERATOR else [admin])
    headers = [[("Authorization", value)] for value in wrong]
    headers += [[("Authorization", admin), ("Authorization", admin)], [("Cookie", admin)], []]
    with ground.unchanged():
        for given in headers:
            answer = ground.wire.send(
                operation.method, filled(operation.path), [("Content-Type", JSON), *given], body_of(operation)
            )
            assert answer.status == 401, given
            check_refusal(answer, operation)
            assert ground.admin not in answer.body.decode()
    assert "anonymous" in {actor for actor, _ in ground.refusals()}


def test_a_role_does_what_it_may_and_no_more(ground):
    """A viewer changes nothing; an operator neither registers operators nor rotates keys: 403, and a record by name."""
    viewer, operator = ground.operator("vera", Role.VIEWER), ground.operator("olga", Role.OPERATOR)
    admin = ("/v1/admin/operators", "/v1/admin/keys/rotate")
    with ground.unchanged():
        for operation in GUARDED:
            path = filled(operation.path)
            for name, token, refused in (
                ("vera", viewer, operation.changes),
                ("olga", operator, operation.changes and operation.path in admin),
            ):
                if not refused:
                    continue
                headers = [("Authorization", f"Bearer {token}"), ("Content-Type", JSON)]
                answer = ground.wire.send(operation.method, path, headers, body_of(operation))
                check_refusal(answer, operation, code="forbidden")
                assert ground.refusals()[-1] == (f"operator:{name}", "forbidden")


def test_an_operator_of_one_account_touches_no_other(ground):
    """What is not theirs does not exist for them, and what concerns several accounts is not for them."""
    limited = [("Authorization", f"Bearer {ground.operator('lena', Role.ADMIN, 'acme')}"), ("Content-Type", JSON)]
    records = {
        name: ground.issuer.operator.get(f"/{name}", params={"agent": "rival/agent"}).json()["items"][0]["id"]
        for name in ("entries", "grants")
    }
    with ground.unchanged():
        for what in (
            "rival",
            "rival/agent",
            "spiffe://example.org/account/rival/agent/agent",
            records["grants"],
            "edge-1",
        ):
            for verb in ("resolve", "suspend", "resume", "revoke"):
                body = {"what": what} | ({} if verb == "resolve" else {"reason": "r"})
                answer = ground.wire.send("POST", f"/v1/admin/{verb}", limited, json.dumps(body).encode())
                check_refusal(answer, code="not_found")
        unseen = ["accounts/rival", "agents/rival/agent", "agents?account=rival"]
        for path in (*unseen, *(f"{name}/{found}" for name, found in records.items())):
            check_refusal(ground.wire.send("GET", f"/v1/admin/{path}", limited), code="not_found")
        for name in ("accounts", "agents", "entries", "grants", "audit?limit=1000"):
            answer = ground.wire.send("GET", f"/v1/admin/{name}", limited)
            assert answer.status == 200
            records = [one for found in answer.json().values() if isinstance(found, list) for one in found]
            assert "rival" not in str([one for one in records if one.get("actor") != "operator:lena"]), name
        for operation in GUARDED:
            if operation.changes and not operation.path.endswith(("/suspend", "/resume", "/revoke", "/tasks/complete")):
                answer = ground.wire.send(operation.method, filled(operation.path), limited, body_of(operation))
                check_refusal(answer, operation, code="forbidden")


def test_an_idempotency_key_that_is_none_is_refused(ground):
    """Too long, not printable, or given twice; another body under the same key is a mismatch."""
    operation = next(found for found in OPERATIONS if found.path == "/v1/admin/accounts" and found.method == "POST")
    body = json.dumps({"name": "keyed", "owner": "o"}).encode()
    with ground.unchanged():
        for values in (["a" * 256], ["é"], ["a b"], [""], ["a", "a"]):
            headers = [("Idempotency-Key", value) for value in values]
            check_refusal(ground.ask(operation, body, headers=headers), operation, code="malformed_request")
    assert ground.ask(operation, body, headers=[("Idempotency-Key", "k")]).status == 201
    with ground.unchanged():
        assert ground.ask(operation, body, headers=[("Idempotency-Key", "k")]).status == 201
        other = ground.ask(operation, body + b" ", headers=[("Idempotency-Key", "k")])
        check_refusal(other, operation, code="idempotency_mismatch")


def test_the_record_of_refusals_holds_no_secret(ground):
    """Whatever was sent, wherever it was put."""
    text = ground.audit_text()
    for secret in (SECRET, TOKEN, ground.admin, ground.sidecar.session):
        assert secret not in text
