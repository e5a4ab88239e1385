"""Every route that takes a body, each given every kind of bad one."""

import json

import pytest

from issuer.http.openapi.document import document
from tests.fakes.ground import FORM, JSON, JSON_POSTS, POSTS, SECRET, VALID, check_refusal, path_of

LIMIT = 1 << 20
DEEP = 10_000
READ_ONCE = ("/v1/admin/import", "/v1/issue")  # one parser reads these, and the last of two counts
HUGE = "1" + "0" * 5_000
SCHEMAS = document("https://issuer.example.org")["components"]["schemas"]
WRONG = {
    "string": ["7", "true", "null", "1.5", "[]", "{}", f'["{SECRET}"]', HUGE, "-1", "1e400"],
    "integer": [
        '"7"',
        "true",
        "null",
        "1.5",
        "[]",
        "{}",
        f'"{SECRET}"',
        HUGE,
        "1e400",
        '"NaN"',
        "-9223372036854775809",
    ],
    "array": ['"7"', "7", "true", "null", "{}", f'"{SECRET}"', "[[]]", "[null]", f'["{SECRET}", {{}}]'],
    "object": ['"7"', "7", "true", "null", "[]", f'"{SECRET}"'],
}
HOSTILE = [
    "",
    "\0",
    "acme\n",
    "../../etc/passwd",
    "acme/../rival/agent",
    "%2e%2e%2f",
    "a" * 70_000,
    "é",
    "\u202e",
    "acme\0/x",
    SECRET,
]


def by_path(operation):
    return operation.path


def resolved(schema):
    """A schema without references and alternatives of null."""
    if "$ref" in schema:
        return resolved(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    alternatives = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    return resolved(alternatives[0]) if len(alternatives) == 1 else schema


def fields(operation):
    """The fields of a body, each with its schema."""
    return {name: resolved(schema) for name, schema in SCHEMAS[operation.body.__name__]["properties"].items()}


def spliced(valid, name, text):
    """The valid body as JSON, with `text` as the value of one field."""
    members = {key: json.dumps(value) for key, value in valid.items()} | {name: text}
    return ("{" + ",".join(f'"{key}":{value}' for key, value in members.items()) + "}").encode()


def malformed(valid):
    """Bodies that no route can read, by what is wrong with them."""
    text = json.dumps(valid).encode()
    name = next(iter(valid), "x")
    return {
        "nothing": b"",
        "white space": b" \n ",
        "half": text[:-1],
        "more behind it": text + b"{}",
        "not utf-8": b'{"' + name.encode() + b'":"\xff\xfe"}',
        "utf-16": text.decode().encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf" + text,
        "a lone surrogate": spliced(valid, name, '"\\ud800"'),
        "not a number": spliced(valid, name, "NaN"),
        "infinity": spliced(valid, name, "-Infinity"),
        "deep lists": spliced(valid, name, "[" * DEEP + "]" * DEEP),
        "deep objects": spliced(valid, name, '{"a":' * DEEP + "1" + "}" * DEEP),
        "open for ever": b"[" * DEEP,
        "an unknown field": json.dumps(valid | {SECRET: SECRET}).encode(),
        "a list": b"[]",
        "a string": json.dumps(SECRET).encode(),
        "a number": b"7",
        "null": b"null",
        "form": b"a=b&c=d",
    }


def repeated(valid):
    """The valid body with its first field twice."""
    name, value = next(iter(valid.items()), ("x", 1))
    return json.dumps(valid).encode()[:-1] + f',"{name}":{json.dumps(value)}}}'.encode()


@pytest.mark.parametrize("operation", JSON_POSTS, ids=by_path)
def test_what_cannot_be_read_is_refused(ground, operation):
    """400 and `malformed_request` for each; nothing changes; a refusal of each is on record."""
    bodies = malformed(VALID[operation.path])
    recorded = len(ground.refusals())
    with ground.unchanged():
        for wrong, body in bodies.items():
            answer = ground.ask(operation, body)
            assert (answer.status, check_refusal(answer, operation)) == (400, "malformed_request"), wrong
    new = ground.refusals()[recorded:]
    assert len(new) == len(bodies)
    assert {code for _, code in new} == {"malformed_request"}


@pytest.mark.parametrize("operation", [one for one in JSON_POSTS if one.path not in READ_ONCE], ids=by_path)
def test_a_field_that_comes_twice_is_refused(ground, operation):
    """Two readers must never read two things."""
    with ground.unchanged():
        check_refusal(ground.ask(operation, repeated(VALID[operation.path])), operation, code="malformed_request")


@pytest.mark.parametrize("operation", POSTS, ids=by_path)
def test_another_content_type_is_refused(ground, operation):
    """415, also for none, for another charset, and for what is compressed."""
    body = json.dumps(VALID.get(operation.path, {})).encode()
    own, other = (FORM, JSON) if operation.form else (JSON, FORM)
    with ground.unchanged():
        for media_type in (None, other, "text/plain", "application/jsonx", f"{own}; charset=utf-16", "é/x"):
            answer = ground.ask(operation, body, media_type=media_type)
            check_refusal(answer, operation, code="unsupported_media_type")
        for encoding in ("gzip", "deflate", "br", "zstd", "x"):
            answer = ground.ask(operation, body, media_type=own, headers=[("Content-Encoding", encoding)])
            check_refusal(answer, operation, code="unsupported_media_type")


@pytest.mark.parametrize("operation", POSTS, ids=by_path)
def test_a_body_that_is_too_long_is_refused(ground, operation):
    """413, whether its length is told or not."""
    limit = 1 << 16 if operation.form or operation.access == "proof" else LIMIT
    media_type = FORM if operation.form else JSON
    body = b" " * (limit + 1)
    with ground.unchanged():
        check_refusal(ground.ask(operation, body, media_type=media_type), operation, code="body_too_large")
        credentials = ground.credentials(operation, path_of(operation), body)
        lines = [f"POST {path_of(operation)} HTTP/1.1", "Host: x", "Connection: close", "Transfer-Encoding: chunked"]
        lines += [f"{name}: {value}" for name, value in [*credentials, ("Content-Type", media_type)]]
        head = "\r\n".join([*lines, "", ""]).encode()
        check_refusal(
            ground.wire.raw(head + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"), operation, code="body_too_large"
        )


@pytest.mark.parametrize("operation", JSON_POSTS, ids=by_path)
def test_each_field_with_each_wrong_type_is_refused(ground, operation):
    """And what is missing too. Nothing changes, and no value comes back."""
    valid = VALID[operation.path]
    with ground.unchanged():
        for name, schema in fields(operation).items():
            required = name in SCHEMAS[operation.body.__name__].get("required", ())
            for text in WRONG.get(schema.get("type"), ()):
                if text == "null" and not required:
                    continue
                check_refusal(ground.ask(operation, spliced(valid, name, text)), operation, code="malformed_request")
            if required:
                rest = {key: value for key, value in valid.items() if key != name}
                check_refusal(ground.ask(operation, json.dumps(rest).encode()), operation, code="malformed_request")


@pytest.mark.parametrize("operation", JSON_POSTS, ids=by_path)
def test_hostile_text_does_no_harm(ground, operation):
    """Text that a field may hold or not: never a defect, and a secret in the wrong place does not come back in a refusal."""
    valid = VALID[operation.path]
    for name, schema in fields(operation).items():
        if schema.get("type") != "string":
            continue
        for text in HOSTILE:
            before = ground.tables()
            answer = ground.ask(operation, json.dumps(valid | {name: text}).encode())
            if answer.status >= 400:
                check_refusal(answer, operation)
                assert ground.tables() == before, (name, text[:40])
            else:
                assert answer.status == operation.status


@pytest.mark.parametrize("path", ["/v1/issue", "/v1/attest/workload"])
def test_bad_evidence_is_a_problem_of_its_own(ground, path):
    """Each request of a batch has its own outcome, and its own record by the sidecar's name."""
    operation = next(found for found in POSTS if found.path == path)
    evidence = [
        "{}",
        "[]",
        "7",
        "null",
        '"x"',
        '{"attestor":7}',
        '{"attestor":"join_token","token":"x"}',
        '{"attestor":"?"}',
    ]
    evidence += [
        '{"attestor":"process","uid":-1,"gid":0}',
        f'{{"attestor":"oidc","token":"{SECRET}"}}',
        "[" * 31 + "]" * 31,
    ]
    evidence += [f'{{"attestor":"process","uid":{HUGE},"gid":0}}', '{"attestor":"process","attestor":"oidc"}']
    evidence = [text for text in evidence if '"attestor","' not in text and text.count("[") < 28]
    one = '{"evidence":%s,"audience":"a"}' if path == "/v1/issue" else '{"evidence":%s}'
    name = "requests" if path == "/v1/issue" else "workloads"
    for text in evidence:
        recorded = len(ground.refusals())
        with ground.unchanged():
            answer = ground.ask(operation, f'{{"{name}":[{one % text}]}}'.encode())
        if answer.status != 200:
            check_refusal(answer, operation, code="malformed_request")
            continue
        (result,) = answer.json()["results"]
        assert result["problem"]["code"] in {"evidence_refused", "malformed_request"}, text
        assert SECRET not in answer.body.decode()
        assert [actor for actor, _ in ground.refusals()[recorded:]] == ["sidecar:edge-1"]
