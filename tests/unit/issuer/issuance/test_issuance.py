"""The issuance cycle on a real database: who gets what, what is recorded, and what stops it."""

import asyncio
import json
from collections import Counter

import pytest

from issuer.audit.model import AuditQuery, Outcome
from issuer.audit.pacing import BURST, INTERVAL_MS
from issuer.errors import NotEntitledError, UnauthenticatedError
from issuer.issuance import Caller
from issuer.issuance.claims import MAX_TOKEN_BYTES
from issuer.keys import Purpose
from remit.errors import RemitError, ScopeRefusedError
from remit.jose import PublicKey, parse_unverified
from remit.scope import SpendScope
from remit.verifier import core as core_of_verifier
from tests.fakes.issuing import AUDIENCE, MAX_OPEN_TASKS, NOW, open_core, request

UID = "unix:uid:1000"
SCRIPT = "launch:script:/srv/agent.py"


@pytest.fixture
async def core(tmp_path):
    core = await open_core(tmp_path)
    yield core
    await core.database.close()


async def issue(core, *requests):
    return await core.issuance.issue(requests)


async def issue_one(core, wanted):
    (outcome,) = await issue(core, wanted)
    assert not isinstance(outcome, RemitError), outcome
    (credential,) = outcome
    return credential


async def refusal(core, wanted):
    (outcome,) = await issue(core, wanted)
    assert isinstance(outcome, RemitError)
    return outcome


async def execute(core, sql, *args):
    await core.database.transaction(lambda tx: tx.execute(sql, *args))


def claims(credential):
    return parse_unverified(credential.token).unverified_payload()


async def test_a_token_says_who_for_whom_and_until_when(core):
    """Exactly the members of the wire format, in their order, signed by the published key."""
    await core.register("acme/planner", UID)
    credential = await issue_one(core, request(UID))
    said = claims(credential)
    assert list(said) == [
        "iss", "sub", "aud", "iat", "nbf", "exp", "jti", "tenant", "sub_profile", "authorization_details", "status",
    ]  # fmt: skip
    assert said["sub"] == credential.spiffe_id == "spiffe://example.org/account/acme/agent/planner"
    assert (said["iss"], said["aud"], said["tenant"]) == ("https://issuer.example.org", AUDIENCE, "acme")
    assert (said["iat"], said["nbf"], said["exp"]) == (NOW, NOW, NOW + 300)
    assert said["authorization_details"] == [{"type": "agent_spend", "version": 1, "funding": "standing"}]
    assert said["status"]["status_list"]["uri"] == "https://issuer.example.org/statuslists/1"
    jws = parse_unverified(credential.token)
    key = core.keys.signer(Purpose.TOKEN, now=NOW).key
    PublicKey.from_jwk(key.jwk).verify(jws.signing_input, jws.signature, "ES256")


async def test_a_sub_agent_names_its_parent_and_a_task_its_name(core):
    """`parent_agent` only on sub-agents, `txn` only with a task."""
    await core.register("acme/planner")
    await core.register("acme/planner/sub/search", UID)
    said = claims(await issue_one(core, request(UID, task="task-81")))
    assert said["parent_agent"] == "spiffe://example.org/account/acme/agent/planner"
    assert said["txn"] == "task-81"


async def test_each_issuance_is_recorded_with_what_it_rests_on(core):
    """The record is there when the token is; it has what the token leaves out."""
    await core.register("acme/planner", UID)
    credential = await issue_one(core, request(UID, "unix:gid:5", reason="cheapest model"))
    (record,) = await core.audit.query(AuditQuery(kind="issuance"))
    assert (record.outcome, record.actor, record.agent) == (Outcome.ALLOWED, "workload:oidc", "acme/planner")
    assert (record.jti, record.grant_id) == (claims(credential)["jti"], credential.grant)
    assert record.detail["selectors"] == ["unix:gid:5", UID]
    assert record.detail["kid"] == core.keys.signer(Purpose.TOKEN, now=NOW).key.kid
    assert (record.detail["exp"], record.detail["audience"]) == (NOW + 300, AUDIENCE)
    assert (record.detail["reason"], record.detail["scope"]["type"]) == ("cheapest model", "agent_spend")
    assert record.detail["entry"].startswith("en_")


async def test_all_selectors_of_an_entry_must_be_there(core):
    """One that is missing and nothing matches; the refusal is recorded with what was shown."""
    await core.register("acme/planner", UID, SCRIPT)
    error = await refusal(core, request(UID))
    assert (type(error), error.code) == (NotEntitledError, "no_entry")
    (record,) = await core.audit.query(AuditQuery(kind="issuance", outcome=Outcome.REFUSED))
    assert (record.detail["code"], record.detail["selectors"]) == ("no_entry", [UID])


async def test_entries_are_for_their_parent_only(core):
    """A direct entry is no sidecar's, whatever the sidecar reports; the refusal says which kind was looked for."""
    await core.register("acme/planner", UID)
    await execute(core, "INSERT INTO sidecars (id, name, created_at) VALUES (1, 'edge-1', 0)")
    sidecar = Caller("sidecar:edge-1", 1)
    error = await refusal(core, request(UID, caller=sidecar))
    assert (error.code, error.detail) == ("no_entry", "no registration entry under this sidecar matches the workload")
    await execute(core, "UPDATE entries SET sidecar_id = 1, revision = revision + 1")
    assert (await issue_one(core, request(UID, caller=sidecar))).agent == "acme/planner"
    error = await refusal(core, request(UID))
    assert (error.code, error.detail) == ("no_entry", "no direct registration entry matches the workload")


async def test_an_inactive_sidecar_gets_nothing(core):
    """Its session may still be good; its state is read again."""
    await core.register("acme/planner", UID)
    await execute(core, "INSERT INTO sidecars (id, name, state, created_at) VALUES (1, 'edge-1', 'revoked', 0)")
    await execute(core, "UPDATE entries SET sidecar_id = 1")
    error = await refusal(core, request(UID, caller=Caller("sidecar:edge-1", 1)))
    assert (type(error), error.code) == (UnauthenticatedError, "session_invalid")


async def test_without_a_name_every_agent_that_matches_gets_one(core):
    """The most specific entry first; with a name only that one, and never one that does not match."""
    await core.register("acme/wide", UID)
    await core.register("acme/narrow", UID, SCRIPT)
    (both,) = await issue(core, request(UID, SCRIPT))
    assert [credential.agent for credential in both] == ["acme/narrow", "acme/wide"]
    assert (await issue_one(core, request(UID, SCRIPT, agent="acme/wide"))).agent == "acme/wide"
    assert (await refusal(core, request(UID, agent="acme/narrow"))).code == "no_entry"


async def test_where_one_is_wanted_several_are_refused(core):
    """A token endpoint and a task never guess; the hint names the candidates."""
    await core.register("acme/a", UID)
    await core.register("acme/b", UID)
    for wanted in (request(UID, single=True), request(UID, task="t")):
        error = await refusal(core, wanted)
        assert error.code == "ambiguous_agent"
        assert "acme/a, acme/b" in (error.hint or "")


@pytest.mark.parametrize("state", ["suspended", "revoked"])
@pytest.mark.parametrize("table", ["accounts", "agents"])
async def test_everything_above_must_be_active(core, table, state):
    """Account, ancestors and the agent itself."""
    await core.register("acme/planner")
    await core.register("acme/planner/sub/search", UID)
    await execute(core, f"UPDATE {table} SET state = '{state}' WHERE id = 1")
    error = await refusal(core, request(UID))
    assert error.code == "agent_not_active"
    assert state in error.detail


async def test_no_grant_no_token(core):
    """An entry alone authorizes nothing."""
    await core.register("acme/planner", UID, grant=False)
    assert (await refusal(core, request(UID))).code == "no_grant"
    assert (await refusal(core, request(UID, task="task-81"))).code == "no_grant"


@pytest.mark.parametrize(
    "change", ["state = 'suspended'", "state = 'revoked'", f"expires_at = {NOW}", f"expires_at = {NOW - 1}"]
)
async def test_the_grant_must_carry_authority_now(core, change):
    """Suspended, revoked and expired ones do not, nor do tasks get opened under them."""
    await core.register("acme/planner", UID)
    await execute(core, f"UPDATE grants SET {change}")
    assert (await refusal(core, request(UID))).code == "no_grant"
    assert (await refusal(core, request(UID, task="task-81"))).code == "no_grant"


async def test_a_token_never_outlives_its_grant_its_entry_its_request_or_its_evidence(core):
    """The shortest of all lives counts."""
    await core.register("acme/planner", UID)
    assert (await issue_one(core, request(UID, ttl_seconds=400))).expires_at == NOW + 300
    assert (await issue_one(core, request(UID, ttl_seconds=60))).expires_at == NOW + 60
    assert (await issue_one(core, request(UID, expires_at=NOW + 50))).expires_at == NOW + 50
    await execute(core, "UPDATE entries SET ttl_seconds = 40")
    assert (await issue_one(core, request(UID))).expires_at == NOW + 40
    await execute(core, f"UPDATE grants SET expires_at = {NOW + 30}")
    assert (await issue_one(core, request(UID))).expires_at == NOW + 30


@pytest.mark.parametrize("agent", [None, "acme/planner"])
async def test_evidence_that_is_all_but_over_gives_no_token(core, agent):
    """Within the clock leeway evidence is still good; a token that is over before it begins is not, remembered or new."""
    await core.register("acme/planner", UID)
    for left in (3, 2, 0, -4):
        (outcome,) = await issue(core, request(UID, agent=agent, expires_at=NOW + left))
        if left == 3:
            assert outcome[0].expires_at == NOW + 3
        else:
            assert outcome.code == "evidence_expired"


async def test_a_token_is_narrowed_to_what_was_asked(core):
    """Within the grant: what was asked. Beyond it: refused, never cut down in silence."""
    wide = b'{"type":"agent_spend","version":1,"models":["a","b"]}'
    await core.register("acme/planner", UID, scope=wide)
    asked = SpendScope(models=("a",), actions=("invoke",))
    (detail,) = claims(await issue_one(core, request(UID, scope=asked)))["authorization_details"]
    assert (detail["models"], detail["actions"]) == (["a"], ["invoke"])
    error = await refusal(core, request(UID, scope=SpendScope(models=("c",))))
    assert (type(error), error.code) == (ScopeRefusedError, "scope_too_wide")


async def test_a_token_is_never_larger_than_verifiers_take(core):
    """A scope that is narrowed to many words is refused, a task is not opened with it, and so is a long audience beside it."""
    assert MAX_TOKEN_BYTES == core_of_verifier.MAX_TOKEN_BYTES
    await core.register("acme/planner", UID)
    large = SpendScope(tools=tuple(f"tool-{number:040}" for number in range(100)))
    for task in (None, "task-81"):
        assert (await refusal(core, request(UID, scope=large, task=task))).code == "scope_too_large"
    assert not await core.audit.query(AuditQuery(kind="grant.open"))
    fits = SpendScope(tools=tuple(f"tool-{number:040}" for number in range(80)))
    credential = await issue_one(core, request(UID, scope=fits))
    assert 5000 < len(credential.token) < MAX_TOKEN_BYTES
    lengths = []
    for more in range(1200, 2000, 10):
        (outcome,) = await issue(core, request(UID, scope=fits, audience="https://a/" + "b" * more))
        if isinstance(outcome, RemitError):
            assert outcome.code == "scope_too_large"
        else:
            lengths.append(len(outcome[0].token))
    assert MAX_TOKEN_BYTES - 100 < max(lengths) <= MAX_TOKEN_BYTES


async def test_a_task_opens_one_grant_under_the_standing_one(core):
    """The second request of the task finds it; it has its own index and its own end."""
    await core.register("acme/planner", UID)
    standing = await issue_one(core, request(UID))
    first, second = [await issue_one(core, request(UID, task="task-81")) for _ in range(2)]
    assert first.grant == second.grant != standing.grant
    indexes = {claims(token)["status"]["status_list"]["idx"] for token in (standing, first, second)}
    assert len(indexes) == 2
    (opened,) = await core.audit.query(AuditQuery(kind="grant.open"))
    assert (opened.grant_id, opened.detail["under"]) == (first.grant, standing.grant)
    assert opened.detail["expires_at"] == NOW + 86_400
    (detail,) = claims(first)["authorization_details"]
    assert detail["funding"] == "jit"


async def test_a_task_is_opened_once_by_whoever_comes_first(core):
    """Sixteen at the same time share one grant."""
    await core.register("acme/planner", UID)
    outcomes = await asyncio.gather(*(issue_one(core, request(UID, task="task-81")) for _ in range(16)))
    assert len({credential.grant for credential in outcomes}) == 1


async def test_an_agent_has_so_many_open_tasks_at_most(core):
    """Also when they come at once; one that is open goes on; each that is revoked or ends makes room, another agent has its own."""
    await core.register("acme/planner", UID)
    await core.register("acme/other", "unix:uid:2")
    outcomes = await issue(core, *[request(UID, task=f"task-{number}") for number in range(MAX_OPEN_TASKS + 3)])
    refused = [outcome for outcome in outcomes if isinstance(outcome, RemitError)]
    assert [error.code for error in refused] == ["too_many_tasks"] * 3
    assert (await issue_one(core, request(UID, task="task-0"))).task == "task-0"
    assert (await issue_one(core, request("unix:uid:2", task="task-99"))).agent == "acme/other"
    assert (await refusal(core, request(UID, task="one-more"))).code == "too_many_tasks"
    await execute(core, "UPDATE grants SET state = 'revoked', revision = revision + 1 WHERE task = 'task-1'")
    assert (await issue_one(core, request(UID, task="one-more"))).task == "one-more"
    core.clock.now += 86_400
    assert (await issue_one(core, request(UID, task="the-day-after"))).task == "the-day-after"


@pytest.mark.parametrize("change", ["state = 'revoked'", f"expires_at = {NOW}"])
async def test_a_task_that_ended_is_never_reopened(core, change):
    """Revoked and expired grants of a task stay the last word on it."""
    await core.register("acme/planner", UID)
    await issue_one(core, request(UID, task="task-81"))
    await execute(core, f"UPDATE grants SET {change}, revision = revision + 1 WHERE task IS NOT NULL")
    assert (await refusal(core, request(UID, task="task-81"))).code == "no_grant"
    assert (await issue_one(core, request(UID, task="task-82"))).task == "task-82"


async def test_a_task_ends_with_the_grant_it_was_opened_under(core):
    """Revoking the standing grant leaves no back door."""
    await core.register("acme/planner", UID)
    await issue_one(core, request(UID, task="task-81"))
    await execute(core, "UPDATE grants SET state = 'revoked', revision = revision + 1 WHERE task IS NULL")
    assert (await refusal(core, request(UID, task="task-81"))).code == "no_grant"


async def test_a_grant_whose_index_was_revoked_gets_a_fresh_one(core):
    """A leaked token costs its index, not the agent its authority."""
    await core.register("acme/planner", UID)
    before = claims(await issue_one(core, request(UID)))["status"]["status_list"]["idx"]
    await execute(core, "UPDATE grants SET status_list = NULL, status_index = NULL, revision = revision + 1")
    after = claims(await issue_one(core, request(UID)))["status"]["status_list"]["idx"]
    assert after != before


async def test_evidence_that_may_be_used_once_is_used_once(core):
    """Also when it comes twice in the same batch."""
    await core.register("acme/planner", UID)
    once = {"use_once": "digest", "use_once_until": NOW + 60}
    outcomes = await issue(core, request(UID, **once), request(UID, **once))
    assert [isinstance(outcome, RemitError) for outcome in outcomes] == [False, True]
    assert (await refusal(core, request(UID, **once))).code == "evidence_replayed"
    refused = await core.audit.query(AuditQuery(kind="issuance", outcome=Outcome.REFUSED))
    assert [record.detail["code"] for record in refused] == ["evidence_replayed"] * 2


async def test_a_refused_request_leaves_its_neighbours_alone(core):
    """Each request of a batch has its own outcome, in the order they came."""
    await core.register("acme/planner", UID)
    outcomes = await issue(core, request("unix:uid:1"), request(UID), request("unix:uid:2"))
    assert [isinstance(outcome, RemitError) for outcome in outcomes] == [True, False, True]


async def test_refusals_of_workloads_that_nobody_registered_are_recorded_at_a_pace(core):
    """For each code and provider; everybody gets their answer, and a sidecar's are all recorded."""
    await core.register("acme/planner", UID)
    await execute(core, "INSERT INTO sidecars (id, name, created_at) VALUES (1, 'edge-1', 0)")
    strangers = [request("oidc:ci:sub:stranger", provider=name) for name in ("ci", "other") for _ in range(BURST + 5)]
    sidecar = [request("unix:uid:7", caller=Caller("sidecar:edge-1", 1))] * (BURST + 5)
    outcomes = await issue(core, *strangers, *sidecar)
    assert {outcome.code for outcome in outcomes} == {"no_entry"}
    records = await core.audit.query(AuditQuery(kind="issuance", outcome=Outcome.REFUSED, limit=1000))
    assert Counter(record.actor for record in records) == {"workload:oidc": 2 * BURST, "sidecar:edge-1": BURST + 5}
    core.clock.now += INTERVAL_MS // 1000
    await issue(core, *strangers)
    assert len(await core.audit.query(AuditQuery(after=records[-1].seq, limit=1000))) == 2


async def test_the_record_of_a_refusal_is_small_whatever_was_asked(core):
    """What is long is cut, and says so; what is usual is whole."""
    long = {"audience": "https://a/" + "y" * 2000, "reason": "x" * 2000, "task": "t"}
    scope = SpendScope(tools=tuple(f"tool-{number:040}" for number in range(200)))
    selectors = [f"oidc:ci:claim:{number:0200}" for number in range(500)]
    await refusal(core, request(*selectors, scope=scope, **long))
    await refusal(core, request(UID, scope=SpendScope(models=("a",)), reason="why"))
    cut, whole = await core.audit.query(AuditQuery(kind="issuance", outcome=Outcome.REFUSED))
    assert len(json.dumps(cut.detail, ensure_ascii=False)) < 8000
    assert (cut.detail["selectors"][0], cut.detail["selectors"][-1]) == (selectors[0], "…")
    assert [cut.detail[name][-1] for name in ("audience", "reason", "scope")] == ["…"] * 3
    assert (whole.detail["selectors"], whole.detail["reason"], whole.detail["scope"]["models"]) == ([UID], "why", ["a"])


async def test_a_hundred_at_once_are_all_different_and_all_recorded(core):
    """One batch; every token has its own id and its own record."""
    await core.register("acme/planner", UID)
    outcomes = await issue(core, *[request(UID)] * 100)
    ids = {claims(outcome[0])["jti"] for outcome in outcomes}
    records = await core.audit.query(AuditQuery(kind="issuance", limit=200))
    assert ids == {record.jti for record in records}
    assert len(ids) == 100


async def test_a_new_key_signs_from_its_time_on(core):
    """Rotation needs nothing from issuance but the clock."""
    await core.register("acme/planner", UID)
    rotation = await core.keys.rotate(core.change, Purpose.TOKEN)
    before = parse_unverified((await issue_one(core, request(UID))).token).unverified_header()["kid"]
    core.clock.now += 100
    after = parse_unverified((await issue_one(core, request(UID))).token).unverified_header()["kid"]
    assert (before, after) == (rotation.active.kid, rotation.prepared.kid)


async def test_a_revoked_key_signs_nothing_that_leaves(core):
    """The record re-reads the key; the process may not know yet."""
    await core.register("acme/planner", UID)
    await execute(core, "UPDATE signing_keys SET state = 'revoked' WHERE purpose = 'token'")
    assert (await refusal(core, request(UID))).code == "authority_changed"


async def test_claims_are_plain_json(core):
    """An audience with quotes and a task cannot break out of their strings."""
    await core.register("acme/planner", UID)
    said = claims(await issue_one(core, request(UID, audience='https://a"b\\c')))
    assert json.loads(json.dumps(said))["aud"] == 'https://a"b\\c'
