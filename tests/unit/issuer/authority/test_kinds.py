"""What else may be stopped: persons, providers, signing keys, sidecars; over HTTP, and what may be seen of it."""

import sqlite3

import pytest

from issuer.keys import Purpose
from issuer.persons.store import ensure_person
from tests.fakes.admin_issuer import running

WHY = {"reason": "a test"}
IDP, SUBJECT = "https://login.example.org", "248289761001"
PERSON = f"person:{IDP}#{SUBJECT}"


@pytest.fixture
async def issuer(tmp_path):
    async with running(tmp_path) as issuer:
        await issuer.register("acme/planner")
        yield issuer


async def execute(issuer, sql, *args):
    await issuer.services.database.transaction(lambda tx: tx.execute(sql, *args))


async def fetch(issuer, sql):
    return [tuple(row) for row in await issuer.services.database.read(lambda tx: tx.fetch(sql))]


@pytest.fixture
async def digest(issuer):
    """A person for whom the agent has acted, with a grant of theirs; their digest."""
    digest = issuer.services.authority._vocabulary.person_digest(IDP, SUBJECT)
    person = await issuer.services.database.transaction(lambda tx: ensure_person(tx, digest, 0))
    grant = await issuer.call("POST", "/grants", {"agent": "acme/planner", "task": "t"}, status=201)
    await execute(issuer, "UPDATE grants SET person_id = $1 WHERE id = $2", person.id, grant["id"])
    return digest


async def test_a_person_is_stopped_by_issuer_and_subject(issuer, digest):
    """With every grant on their behalf, and only those; by the digest that the audit log shows just as well."""
    stopped = await issuer.call("POST", "/suspend", {"what": PERSON, **WHY}, status=200)
    assert stopped["resolved"]["description"] == f"person {digest}, on whose behalf 1 grant is, suspended"
    assert (stopped["resolved"]["kind"], stopped["changed"]["grants"]) == ("person", 1)
    resumed = await issuer.call("POST", "/resume", {"what": f"person:{digest}", **WHY}, status=200)
    assert resumed["changed"]["grants"] == 1
    await issuer.call("POST", "/revoke", {"what": PERSON, **WHY}, status=200)
    again = await issuer.call("POST", "/resume", {"what": PERSON, **WHY}, status=409)
    assert again["code"] == "conflict"
    assert await fetch(issuer, "SELECT state, revision FROM persons") == [("revoked", 4)]


async def test_who_a_person_is_is_kept_nowhere(issuer, digest, tmp_path):
    """Neither in the database, nor in the log, nor in an answer."""
    answer = await issuer.call("POST", "/revoke", {"what": PERSON, **WHY}, status=200)
    told = str(answer) + str(await issuer.records())
    with sqlite3.connect(tmp_path / "remit.db") as database:
        kept = "".join(database.iterdump())
    database.close()
    for text in (told, kept):
        assert SUBJECT not in text
        assert IDP not in text
        assert digest in text


@pytest.mark.parametrize("what", [f"person:{IDP}#nobody", f"person:{IDP}/#{SUBJECT}", f"person:{'0' * 64}"])
async def test_a_person_nobody_acted_for_is_not_found(issuer, digest, what):
    """Not a word of theirs comes back; the hint says what to compare."""
    problem = await issuer.call("POST", "/revoke", {"what": what, **WHY}, status=404)
    assert problem["detail"] == "no agent has acted for this person"
    assert "`iss` and `sub`" in problem["hint"]


@pytest.mark.parametrize("what", ["person:", "person:#", f"person:{IDP}", f"person:{IDP}#", f"person:#{SUBJECT}"])
async def test_half_a_person_is_refused(issuer, what):
    """Issuer and subject are both needed."""
    problem = await issuer.call("POST", "/revoke", {"what": what, **WHY}, status=400)
    assert "person:ISSUER#SUBJECT" in problem["hint"]


async def test_what_concerns_all_accounts_is_not_for_an_operator_of_one(issuer, digest):
    """To them there is no such person, provider, sidecar or key."""
    await issuer.call("POST", "/providers", {"name": "shop", "audiences": ["https://api.example.com"]}, status=201)
    await issuer.call("POST", "/join-tokens", {"sidecar": "edge-1"}, status=201)
    kid = issuer.services.keys.signer(Purpose.TOKEN, now=issuer.clock.ms // 1000).key.kid
    limited = await issuer.operator("limited", "operator", "acme")
    for what in (PERSON, f"person:{digest}", "provider:shop", "sidecar:edge-1", f"key:{kid}"):
        assert (await issuer.call("POST", "/resolve", {"what": what}, token=limited))["status"] == 404
        assert (await issuer.call("POST", "/revoke", {"what": what, **WHY}, token=limited))["status"] in (403, 404)
        assert (await issuer.call("POST", "/resolve", {"what": what}, status=200))["state"] == "active"


async def test_a_provider_is_stopped(issuer):
    """Its credential, at once; resumed, it is good again; revoked, its name is used up."""
    body = {"name": "shop", "audiences": ["https://api.example.com"]}
    await issuer.call("POST", "/providers", body, status=201)
    for verb, state in (("suspend", "suspended"), ("resume", "active"), ("revoke", "revoked")):
        stopped = await issuer.call("POST", f"/{verb}", {"what": "provider:shop", **WHY}, status=200)
        assert (stopped["resolved"]["kind"], stopped["resolved"]["state"]) == ("provider", state)
        assert (stopped["changed"]["grants"], stopped["seq"]) == (0, 0)
    assert (await issuer.call("POST", "/providers", body, status=409))["code"] == "retired_name"


async def test_a_key_is_resolved_and_tainted_by_its_kid(issuer):
    """Words say what it is before anything is done."""
    kid = issuer.services.keys.signer(Purpose.TOKEN, now=issuer.clock.ms // 1000).key.kid
    resolved = await issuer.call("POST", "/resolve", {"what": f"key:{kid}"}, status=200)
    assert (resolved["kind"], resolved["id"], resolved["description"]) == ("key", kid, f"key {kid}")
    operator = await issuer.operator("bob", "operator")
    refused = await issuer.call("POST", "/revoke", {"what": f"key:{kid}", **WHY}, token=operator, status=403)
    assert refused["code"] == "forbidden"
    stopped = await issuer.call("POST", "/revoke", {"what": f"key:{kid}", **WHY}, status=200)
    assert stopped["resolved"]["description"] == f"key {kid}, revoked"
    missing = await issuer.call("POST", "/revoke", {"what": "key:none", **WHY}, status=404)
    assert missing["detail"] == "there is no signing key none"


@pytest.mark.parametrize(("verb", "kept"), [("suspend", "active"), ("revoke", "retired")])
async def test_a_stopped_sidecar_has_no_sessions(issuer, verb, kept):
    """They end in the same change; the keys that it held for agents end with it, but wait for one that is suspended."""
    await issuer.call("POST", "/join-tokens", {"sidecar": "edge-1"}, status=201)
    await execute(issuer, "UPDATE sidecars SET jkt = 'k', joined_at = 1")
    await execute(issuer, "INSERT INTO sidecar_sessions (digest, sidecar_id, expires_at) VALUES ('d', 1, 9999999999)")
    columns = "(jkt, agent_id, sidecar_id, jwk, created_at)"
    await execute(
        issuer, f"INSERT INTO subject_keys {columns} VALUES ('a', 1, 1, '{{}}', 0), ('b', 1, NULL, '{{}}', 0)"
    )
    await issuer.call("POST", f"/{verb}", {"what": "sidecar:edge-1", **WHY}, status=200)
    assert await fetch(issuer, "SELECT * FROM sidecar_sessions") == []
    assert await fetch(issuer, "SELECT jkt, state FROM subject_keys ORDER BY jkt") == [("a", kept), ("b", "active")]


async def test_names_below_what_is_revoked_are_used_up(issuer):
    """Neither an agent's own name nor one below it is ever given again, nor one below its account."""
    await issuer.call("POST", "/agents", {"agent": "acme/planner/sub/reader"}, status=201)
    await issuer.call("POST", "/revoke", {"what": "acme/planner", **WHY}, status=200)
    codes = {
        agent: (await issuer.call("POST", "/agents", {"agent": agent}, status=409))["code"]
        for agent in ("acme/planner", "acme/planner/sub/reader", "acme/planner/sub/new")
    }
    assert codes["acme/planner"] == "retired_name"
    await issuer.call("POST", "/revoke", {"what": "acme", **WHY}, status=200)
    assert (await issuer.call("POST", "/accounts", {"name": "acme", "owner": "o"}, status=409))[
        "code"
    ] == "retired_name"
    await issuer.call("POST", "/agents", {"agent": "acme/other"}, status=409)


async def test_an_answer_says_by_when_everybody_refuses(issuer):
    """From the commit on: verifiers of Remit that nobody knows, and stacks that read no status."""
    answer = await issuer.call("POST", "/suspend", {"what": "acme/planner", **WHY}, status=200)
    assert answer["requested_at_ms"] == answer["committed_at_ms"] == issuer.clock.ms
    assert answer["unregistered_refuse_by_ms"] == issuer.clock.ms + 15_000
    assert answer["offline_refuse_by_ms"] == issuer.clock.ms + 305_000


async def test_histories_hear_of_each_change_of_state(issuer):
    """Of an agent and of an account, in the transaction that changes it; repeating it is no change."""
    heard = []
    for verb, what in (
        ("suspend", "acme/planner"),
        ("suspend", "acme/planner"),
        ("resume", "acme/planner"),
        ("revoke", "acme"),
    ):
        before = await fetch(issuer, "SELECT coalesce(max(id), 0) FROM did_changes")
        await issuer.call("POST", f"/{verb}", {"what": what, **WHY}, status=200)
        rows = await fetch(issuer, f"SELECT DISTINCT subject FROM did_changes WHERE id > {before[0][0]}")
        heard.append([subject for (subject,) in rows])
    assert heard == [["acme/planner"], [], ["acme/planner"], ["acme"]]
