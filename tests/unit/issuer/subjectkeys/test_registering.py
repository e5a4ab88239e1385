"""Registering and rotating keys of agents, on a real database: whose a key is, what it replaces, what its tokens say."""

import asyncio

import pytest

from attestors.base import Appraisal
from issuer.audit.model import AuditQuery
from issuer.changes import Change
from issuer.errors import NotFoundError
from issuer.issuance import Caller
from issuer.registry.model import Page
from issuer.registry.requests import NewAgent, NewEntry, NewGrant, NewJoinToken
from issuer.registry.roles import Operator, Role
from issuer.subjectkeys import KeyState, Registration, SubjectKeys
from issuer.subjectkeys.model import MAX_KEYS_A_DAY
from remit.errors import RemitError
from remit.ids import AgentName
from remit.jose import parse_unverified
from tests.fakes.agent_keys import MadeKey
from tests.fakes.issuing import DIRECT, ISSUER, OPERATOR, open_core, request

UID = "unix:uid:1000"
EDGE, OTHER_EDGE = Caller("sidecar:edge-1", 1), Caller("sidecar:edge-2", 2)


@pytest.fixture
async def core(tmp_path):
    core = await open_core(tmp_path)
    await core.register("acme/planner", UID)
    for name in ("edge-1", "edge-2"):
        await core.registry.create_join_token(core.change, NewJoinToken(sidecar=name))
        entry = NewEntry(agent="acme/planner", selectors=[UID], sidecar=name, bound=True)
        await core.registry.create_entry(core.change, entry)
    yield core
    await core.database.close()


@pytest.fixture
def keys(core):
    return SubjectKeys(core.database, ISSUER)


def registration(key, held_by="sidecar"):
    return Registration(jwk=key.jwk, jkt=key.jkt, held_by=held_by)


async def register(core, keys, key, caller=EDGE, held_by="sidecar", agent=None, **evidence):
    appraisal = Appraisal(frozenset({UID}), "a test", **evidence)
    name = None if agent is None else AgentName.parse(agent)
    return await keys.register(registration(key, held_by), caller, appraisal, name, core.clock.ms())


async def refused(work):
    with pytest.raises(RemitError) as refusal:
        await work
    return refusal.value.code


async def issued(core, caller=EDGE, **more):
    (outcome,) = await core.issuance.issue([request(UID, caller=caller, agent="acme/planner", **more)])
    return outcome


async def bound_to(core, caller=EDGE, **more):
    """The `cnf.jkt` of a token issued now, or the code of the refusal."""
    outcome = await issued(core, caller, **more)
    if isinstance(outcome, RemitError):
        return outcome.code
    (credential,) = outcome
    claims = parse_unverified(credential.token).unverified_payload()
    assert list(claims)[-1] == ("cnf" if credential.token_type == "DPoP" else "status")
    return claims["cnf"]["jkt"] if "cnf" in claims else None


async def states(keys):
    return {key.jkt: key.state for key in await keys.keys(OPERATOR, Page(), None)}


async def test_a_bound_entry_needs_a_key(core, keys):
    """Without one nothing is issued; with one every token of the entry is bound to it, also for tasks."""
    assert await bound_to(core) == "no_agent_key"
    key = MadeKey()
    registered = await register(core, keys, key)
    assert (registered.subject, registered.sidecar, registered.state) == ("acme/planner", "edge-1", "active")
    assert await bound_to(core) == await bound_to(core, task="task-1") == key.jkt


async def test_an_entry_that_is_not_bound_is_left_alone(core, keys):
    """A key changes nothing for tokens that need none."""
    await register(core, keys, MadeKey())
    assert await bound_to(core, DIRECT) is None


async def test_a_rotation_voids_what_was_decided(core, keys):
    """Also decisions that are remembered: the next token is bound to the new key; the old one is listed as retired."""
    old, new = MadeKey(), MadeKey()
    await register(core, keys, old)
    assert await bound_to(core) == await bound_to(core) == old.jkt
    await register(core, keys, new)
    assert await bound_to(core) == new.jkt
    assert await states(keys) == {old.jkt: KeyState.RETIRED, new.jkt: KeyState.ACTIVE}


async def test_a_rotation_under_way_is_never_missed(core, keys):
    """Tokens asked for while keys rotate are bound to a key that was active when they were recorded."""
    made = [MadeKey() for _ in range(8)]
    await register(core, keys, made[0])
    rotations = [register(core, keys, key) for key in made[1:]]
    outcomes = await asyncio.gather(*[bound_to(core, task=f"t-{n}") for n in range(8)], *rotations)
    assert {outcome for outcome in outcomes if isinstance(outcome, str)} <= {key.jkt for key in made}
    assert await bound_to(core) == made[-1].jkt


async def test_sidecars_of_replicas_hold_a_key_each(core, keys):
    """Neither replaces the other's, and each is told of its own."""
    here, there = MadeKey(), MadeKey()
    await register(core, keys, here)
    await register(core, keys, there, OTHER_EDGE)
    assert (await bound_to(core), await bound_to(core, OTHER_EDGE)) == (here.jkt, there.jkt)


async def test_an_agents_own_key_replaces_all_others(core, keys):
    """From then on it is used behind every sidecar, until a sidecar is given one to hold again."""
    own, again = MadeKey(), MadeKey()
    await register(core, keys, MadeKey())
    await register(core, keys, MadeKey(), OTHER_EDGE)
    await register(core, keys, own, held_by="agent")
    assert (await bound_to(core), await bound_to(core, OTHER_EDGE)) == (own.jkt, own.jkt)
    await register(core, keys, again)
    assert (await bound_to(core), await bound_to(core, OTHER_EDGE)) == (again.jkt, "no_agent_key")


async def test_the_same_key_again_changes_nothing(core, keys):
    """A sidecar whose answer was lost asks again."""
    key = MadeKey()
    assert await register(core, keys, key) == await register(core, keys, key)
    assert [record.kind for record in await core.audit.query(AuditQuery(kind="key.register"))] == ["key.register"]


async def test_a_key_is_one_subjects_for_ever(core, keys):
    """Another agent, another hand, and the agent itself after a rotation: refused; nothing changes."""
    await core.registry.create_agent(core.change, NewAgent(agent="acme/other"))
    entry = NewEntry(agent="acme/other", selectors=[UID, "unix:gid:1"], sidecar="edge-1")
    await core.registry.create_entry(core.change, entry)
    key = MadeKey()
    await register(core, keys, key)
    before = await states(keys)
    other = Appraisal(frozenset({UID, "unix:gid:1"}), "a test")
    stolen = keys.register(registration(key), EDGE, other, AgentName.parse("acme/other"), core.clock.ms())
    assert await refused(stolen) == "conflict"
    assert await refused(register(core, keys, key, OTHER_EDGE)) == "conflict"
    assert await refused(register(core, keys, key, held_by="agent")) == "conflict"
    assert await states(keys) == before
    await register(core, keys, MadeKey())
    assert await refused(register(core, keys, key)) == "conflict"


@pytest.mark.parametrize("what", ["agents", "accounts"])
@pytest.mark.parametrize("state", ["suspended", "revoked"])
async def test_nothing_is_registered_for_who_may_not_act(core, keys, what, state):
    """Suspended or revoked, itself or its account."""
    await core.database.transaction(lambda tx: tx.execute(f"UPDATE {what} SET state = '{state}'"))
    assert await refused(register(core, keys, MadeKey())) == "agent_not_active"


async def test_a_stopped_sidecar_registers_nothing(core, keys):
    """Its session may still be remembered at the door."""
    await core.database.transaction(lambda tx: tx.execute("UPDATE sidecars SET state = 'revoked' WHERE id = 1"))
    assert await refused(register(core, keys, MadeKey())) == "session_invalid"


async def test_only_who_is_entitled_registers(core, keys):
    """The evidence must match an entry of that very caller."""
    wrong = Appraisal(frozenset({"unix:uid:7"}), "a test")
    unknown = keys.register(registration(MadeKey()), EDGE, wrong, None, core.clock.ms())
    assert await refused(unknown) == "no_entry"
    assert await refused(register(core, keys, MadeKey(), agent="acme/another")) == "no_entry"
    assert await refused(register(core, keys, MadeKey(), DIRECT, held_by="sidecar")) == "malformed_request"


async def test_evidence_that_may_be_used_once_is_used_up(core, keys):
    """A second key needs fresh evidence."""
    once = {"use_once": "digest", "use_once_until": core.clock.now + 600}
    await register(core, keys, MadeKey(), DIRECT, "agent", **once)
    assert await refused(register(core, keys, MadeKey(), DIRECT, "agent", **once)) == "evidence_replayed"


async def test_rotations_have_a_pace(core, keys):
    """Every key stays in the history, so a day takes only so many."""
    for _ in range(MAX_KEYS_A_DAY):
        await register(core, keys, MadeKey())
    assert await refused(register(core, keys, MadeKey())) == "too_many_keys"
    core.clock.now += 86_401
    await register(core, keys, MadeKey())


async def test_what_is_recorded(core, keys):
    """The audit names the key, its hand and what it replaced; the agent's history is told."""
    old, new = MadeKey(), MadeKey()
    await register(core, keys, old)
    await register(core, keys, new)
    (first,) = await core.audit.query(AuditQuery(kind="key.register"))
    (second,) = await core.audit.query(AuditQuery(kind="key.rotate"))
    assert (first.actor, first.agent, first.detail["jkt"]) == ("sidecar:edge-1", "acme/planner", old.jkt)
    assert (second.detail["jkt"], second.detail["replaces"]) == (new.jkt, [old.jkt])
    rows = await core.database.read(lambda tx: tx.fetch("SELECT subject FROM did_changes"))
    assert [row["subject"] for row in rows].count("acme/planner") >= 2


async def test_another_grant_of_a_bound_agent_is_bound_too(core, keys):
    """It is the entry that binds, whatever the authority."""
    await core.registry.create_grant(core.change, NewGrant(agent="acme/planner", task="given"))
    key = MadeKey()
    await register(core, keys, key)
    assert await bound_to(core, task="given") == key.jkt


def status_of(outcome):
    (credential,) = outcome
    claims = parse_unverified(credential.token).unverified_payload()
    return claims["status"]["status_list"]["idx"]


async def value_at(core, idx):
    rows = await core.database.read(lambda tx: tx.fetch("SELECT value FROM status_indexes WHERE idx = $1", idx))
    return rows[0]["value"]


async def test_a_revoked_key_takes_its_tokens_with_it(core, keys):
    """Those of every grant of the agent, at once and for good; with another key the agent goes on, at another index."""
    key, other = MadeKey(), MadeKey()
    await register(core, keys, key)
    standing, task = [status_of(await issued(core, **more)) for more in ({}, {"task": "t"})]
    revoked = await keys.revoke(core.change, key.jkt, "found in a backup")
    assert revoked.state == "revoked"
    assert [await value_at(core, idx) for idx in (standing, task)] == [1, 1]
    assert await bound_to(core) == "no_agent_key"
    assert await refused(register(core, keys, key)) == "conflict"
    await register(core, keys, other)
    again = status_of(await issued(core))
    assert again != standing
    assert await value_at(core, again) == 0
    (record,) = await core.audit.query(AuditQuery(kind="key.revoke"))
    assert (record.detail["jkt"], record.detail["grants"]) == (key.jkt, 2)


async def test_revoking_again_changes_nothing(core, keys):
    """Nor does a revoked key take the tokens of its successor with it."""
    key, other = MadeKey(), MadeKey()
    await register(core, keys, key)
    first = await keys.revoke(core.change, key.jkt, "lost")
    await register(core, keys, other)
    idx = status_of(await issued(core))
    assert await keys.revoke(core.change, key.jkt, "lost") == first
    assert await value_at(core, idx) == 0


async def test_who_may_not_see_a_key_cannot_revoke_it(core, keys):
    """To an operator of another account there is no such key; nor is there an unknown one."""
    key = MadeKey()
    await register(core, keys, key)
    for operator, jkt in (
        (Operator(name="ana", role=Role.OPERATOR, account="rival"), key.jkt),
        (OPERATOR, MadeKey().jkt),
    ):
        with pytest.raises(NotFoundError):
            await keys.revoke(Change(operator, core.clock.ms()), jkt, "r")
    assert await states(keys) == {key.jkt: KeyState.ACTIVE}


async def test_an_accounts_key_is_no_agents(core, keys):
    """A key that is registered for an account is refused, not taken over."""
    key = MadeKey()
    sql = "INSERT INTO subject_keys (jkt, account_id, jwk, created_at) VALUES ($1, 1, '{}', 0)"
    await core.database.transaction(lambda tx: tx.execute(sql, key.jkt))
    assert await refused(register(core, keys, key)) == "conflict"
