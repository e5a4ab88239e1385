"""Delegation on a real database: what a sub-agent gets from its parent's token, what it never gets, and what ends it."""

import asyncio

import pytest

from issuer.audit.model import AuditQuery, Outcome
from issuer.issuance.delegation import MAX_FULL_NAME, MAX_NAME, MAX_SUB_AGENTS
from issuer.registry.model import Page
from issuer.registry.requests import NewAgent, NewGrant
from remit.errors import RemitError
from remit.ids import AgentName
from remit.scope import SpendScope
from tests.fakes.delegating import (
    EDGE,
    ENDPOINT,
    PARENT,
    UID,
    claims,
    delegate,
    delegating,
    execute,
    not_delegated,
    parent_token,
    the_one,
    with_edge,
)
from tests.fakes.issuing import MAX_OPEN_TASKS, NOW, OPERATOR, open_core, request

READER = f"{PARENT}/sub/reader"
SCOPE = b'{"type":"agent_spend","version":1,"models":["a","b"]}'


@pytest.fixture
async def core(tmp_path):
    core = await open_core(tmp_path)
    await with_edge(core)
    await core.register(PARENT, UID, scope=SCOPE)
    await execute(core, "UPDATE entries SET sidecar_id = 1")
    yield core
    await core.database.close()


async def grants(core, agent):
    return await core.registry.grants(OPERATOR, Page(), agent=AgentName.parse(agent), task=None)


async def test_a_sub_agent_gets_a_token_by_its_parents_word(core):
    """It is made then and there; its token says who its parent is, and that nobody else vouches for it."""
    token = await parent_token(core)
    said = claims(await delegate(core, token, READER))
    assert list(said) == [
        "iss", "sub", "aud", "iat", "nbf", "exp", "jti", "tenant", "sub_profile", "parent_agent", "amr",
        "authorization_details", "status",
    ]  # fmt: skip
    assert said["sub"] == "spiffe://example.org/account/acme/agent/planner/sub/reader"
    assert (said["parent_agent"], said["amr"]) == (claims(token)["sub"], ["parent_asserted"])
    assert said["authorization_details"] == claims(token)["authorization_details"]
    assert said["status"] != claims(token)["status"]
    agent = await core.registry.agent(OPERATOR, AgentName.parse(READER))
    assert (agent.parent_asserted, agent.owner) == (True, "ana@example.org")


async def test_what_came_of_whose_token_is_recorded(core):
    """Agent, grant and token; each names the token that it was delegated from."""
    token = await parent_token(core)
    jti = claims(token)["jti"]
    child = await delegate(core, token, READER, reason="reads")
    records = {record.kind: record for record in await core.audit.query(AuditQuery(agent=READER))}
    assert [records[kind].actor for kind in ("agent.create", "grant.delegate", "issuance")] == [EDGE.actor] * 3
    assert records["agent.create"].detail == {"owner": "ana@example.org", "parent_asserted": True, "by_token": jti}
    assert records["grant.delegate"].detail["under"] == token.grant
    assert records["grant.delegate"].detail["by_token"] == jti
    issued = records["issuance"]
    assert issued.detail["delegation"] == {"agent": PARENT, "jti": jti, "grant": token.grant}
    assert (issued.jti, issued.detail["entry"]) == (claims(child)["jti"], None)


async def test_one_grant_for_each_sub_agent_parent_grant_and_task(core):
    """The next request finds it; another task, or another parent grant, has another one."""
    standing, task = await parent_token(core), await parent_token(core, task="t")
    first, again = [await delegate(core, standing, READER) for _ in range(2)]
    others = [await delegate(core, standing, READER, task="x"), await delegate(core, task, READER)]
    assert first.grant == again.grant
    assert len({first.grant, *(one.grant for one in others)}) == 3
    assert [one.task for one in (first, *others)] == [None, "x", "t"]
    assert {grant.parent for grant in await grants(core, READER)} == {standing.grant, task.grant}
    assert all(grant.delegated for grant in await grants(core, READER))


async def test_first_delegations_at_once_make_one_sub_agent_and_one_grant(core):
    """Sixteen at the same time, in one batch and in several."""
    token = await parent_token(core)
    wanted = [await delegating(core, token, READER) for _ in range(16)]
    outcomes = await asyncio.gather(*(the_one(core, one) for one in wanted))
    assert len({one.grant for one in outcomes}) == 1
    assert len({claims(one)["jti"] for one in outcomes}) == 16
    made = await core.audit.query(AuditQuery(kind="agent.create", agent=READER))
    assert len(made) == 1


@pytest.mark.parametrize(
    "agent",
    [
        "acme/other/sub/reader",
        "rival/planner/sub/reader",
        f"{PARENT}/sub/a/sub/b",
        PARENT,
        "acme/plann",
        "acme/planner2/sub/reader",
    ],
)
async def test_only_to_sub_agents_right_below(core, agent):
    """Not to another parent's, not two levels down, not to the parent itself or to a neighbour."""
    error = await not_delegated(core, await parent_token(core), agent)
    assert error.code == "not_a_sub_agent"
    assert PARENT in error.detail


async def test_names_are_bounded(core):
    """The name itself, and the whole of it; dots are letters like others."""
    token = await parent_token(core)
    assert (await delegate(core, token, f"{PARENT}/sub/{'x' * MAX_NAME}")).agent
    assert (await delegate(core, token, f"{PARENT}/sub/v1.2..3")).agent.endswith("v1.2..3")
    assert (await not_delegated(core, token, f"{PARENT}/sub/{'x' * (MAX_NAME + 1)}")).code == "not_a_sub_agent"
    long = "acme/" + "l" * (MAX_FULL_NAME - 10)
    await core.register(long, "unix:uid:7")
    await execute(core, "UPDATE entries SET sidecar_id = 1")
    deep = await parent_token(core, long, "unix:uid:7")
    assert (await not_delegated(core, deep, f"{long}/sub/x")).code == "not_a_sub_agent"


async def test_a_chain_has_five_levels_at_most(core):
    """Each sub-agent delegates by its own token, to the fifth."""
    token, agent = await parent_token(core), PARENT
    for level in range(5):
        agent = f"{agent}/sub/s{level}"
        token = await delegate(core, token, agent, audience=ENDPOINT)
    assert (await not_delegated(core, token, f"{agent}/sub/s5")).code == "depth_exceeded"


async def test_an_agent_has_so_many_sub_agents(core):
    """One that is revoked makes room; one that is there goes on."""
    token = await parent_token(core)
    await delegate(core, token, READER)
    await execute(
        core,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) "
        "INSERT INTO agents (account_id, parent_id, path, owner, created_at) "
        "SELECT 1, 1, 'planner/sub/s' || i, 'o', 0 FROM n",
        MAX_SUB_AGENTS - 1,
    )
    assert (await not_delegated(core, token, f"{PARENT}/sub/more")).code == "too_many_sub_agents"
    assert (await delegate(core, token, READER)).agent == READER
    await execute(core, "UPDATE agents SET state = 'revoked' WHERE path = 'planner/sub/s1'")
    assert (await delegate(core, token, f"{PARENT}/sub/more")).agent == f"{PARENT}/sub/more"


async def test_there_are_so_many_sub_agents_below_the_first_agent(core, monkeypatch):
    """At whatever depth: else one agent could make as many as it likes, and whoever ends it would wait for them all."""
    monkeypatch.setattr("issuer.issuance.delegation.MAX_ASSERTED", 3)
    token = await parent_token(core)
    child = await delegate(core, token, READER, audience=ENDPOINT)
    for name in ("a", "b"):
        await delegate(core, child, f"{READER}/sub/{name}")
    for above, name in ((token, f"{PARENT}/sub/more"), (child, f"{READER}/sub/more")):
        assert (await not_delegated(core, above, name)).code == "too_many_sub_agents"
    await execute(core, "UPDATE agents SET parent_asserted = 0 WHERE path LIKE '%/b'")  # an operator knows it now
    await delegate(core, child, f"{READER}/sub/more")


@pytest.mark.parametrize("state", ["suspended", "revoked"])
async def test_a_stopped_sub_agent_gets_nothing(core, state):
    """Its name is not given anew: a revoked one is revoked for ever."""
    token = await parent_token(core)
    await delegate(core, token, READER)
    await execute(core, f"UPDATE agents SET state = '{state}' WHERE path LIKE '%/reader'")
    assert (await not_delegated(core, token, READER)).code == "agent_not_active"
    assert len(await core.audit.query(AuditQuery(kind="agent.create", agent=READER))) == 1


async def test_a_sub_agent_that_was_registered_may_be_delegated_to(core):
    """The operator's agent, by the parent's word: the token says so."""
    await core.registry.create_agent(core.change, NewAgent(agent=READER))
    child = await delegate(core, await parent_token(core), READER)
    assert claims(child)["amr"] == ["parent_asserted"]
    assert not (await core.registry.agent(OPERATOR, AgentName.parse(READER))).parent_asserted


async def test_the_childs_task_is_the_parents(core):
    """Left out it is inherited; another one is refused; a parent without one may name one."""
    token = await parent_token(core, task="t")
    assert claims(await delegate(core, token, READER))["txn"] == "t"
    assert claims(await delegate(core, token, READER, task="t"))["txn"] == "t"
    assert (await not_delegated(core, token, READER, task="u")).code == "task_mismatch"
    assert claims(await delegate(core, await parent_token(core), READER, task="u"))["txn"] == "u"


async def test_the_scope_is_the_tokens_not_the_grants(core):
    """A parent's token that was narrowed delegates no more than it says."""
    token = await parent_token(core, scope=SpendScope(models=("a",)))
    assert claims(await delegate(core, token, READER))["authorization_details"][0]["models"] == ["a"]
    error = await not_delegated(core, token, f"{PARENT}/sub/other", scope=SpendScope(models=("b",)))
    assert (error.code, "'b'" in error.detail) == ("scope_too_wide", True)


async def test_what_was_delegated_first_bounds_what_comes_later(core):
    """Under the same grant of the parent; asking for nothing gets what there is."""
    wide = await parent_token(core)
    first = await delegate(core, wide, READER, scope=SpendScope(models=("a",), tools=("search",)))
    again = await delegate(core, wide, READER)
    assert first.scope == again.scope
    narrower = await delegate(core, wide, READER, scope=SpendScope(models=("a",), tools=()))
    assert SpendScope.parse(narrower.scope).tools == ()
    error = await not_delegated(core, wide, READER, scope=SpendScope(models=("b",)))
    assert (error.code, "first" in (error.hint or "")) == ("scope_too_wide", True)


async def test_a_narrower_token_of_the_parent_narrows_what_was_delegated_before(core):
    """The child's token is within both, also where it asks for nothing."""
    await delegate(core, await parent_token(core), READER)
    narrow = await parent_token(core, scope=SpendScope(models=("b",)))
    assert SpendScope.parse((await delegate(core, narrow, READER)).scope).models == ("b",)


async def test_it_ends_no_later_than_what_it_comes_from(core):
    """The parent's token, every grant above, and what was asked for."""
    token = await parent_token(core, ttl_seconds=100)
    assert (await delegate(core, token, READER)).expires_at == NOW + 100
    assert (await delegate(core, token, READER, ttl_seconds=50)).expires_at == NOW + 50
    await execute(core, f"UPDATE grants SET expires_at = {NOW + 40} WHERE delegated = 0")
    assert (await delegate(core, token, READER)).expires_at == NOW + 40
    core.clock.now += 98
    assert (await not_delegated(core, token, READER)).code in ("no_grant", "evidence_expired")


async def test_a_token_that_is_all_but_over_delegates_nothing(core):
    """Its child would be over before it reaches a provider."""
    token = await parent_token(core, ttl_seconds=60)
    core.clock.now += 58
    assert (await not_delegated(core, token, READER)).code == "evidence_expired"


async def test_a_task_ends_when_it_is_told_to(core):
    """Sooner than usual if that is asked for; never after the parent's grant."""
    token = await parent_token(core, task="t", task_ttl_seconds=600)
    child = await delegate(core, token, READER, task_ttl_seconds=9999)
    ends = {grant.id: grant.expires_at for grant in (*await grants(core, PARENT), *await grants(core, READER))}
    assert ends[token.grant] == ends[child.grant] == NOW + 600
    other = await delegate(core, await parent_token(core), READER, task="u", task_ttl_seconds=60)
    assert (await grants(core, READER))[-1].expires_at == NOW + 60 or other
    capped = await parent_token(core, task="v", task_ttl_seconds=10**8)
    assert {grant.id: grant.expires_at for grant in await grants(core, PARENT)}[capped.grant] == NOW + 86_400


@pytest.mark.parametrize("change", ["state = 'suspended'", "state = 'revoked'", f"expires_at = {NOW}"])
@pytest.mark.parametrize("level", ["parent", "child", "grandchild"])
async def test_every_grant_of_the_line_must_carry_authority(core, change, level):
    """The parent's, the child's own, and those in between."""
    token = await parent_token(core)
    child = await delegate(core, token, READER, audience=ENDPOINT)
    grandchild = await delegate(core, child, f"{READER}/sub/x")
    which = {"parent": token, "child": child, "grandchild": grandchild}[level].grant
    await execute(core, f"UPDATE grants SET {change}, revision = revision + 1 WHERE id = '{which}'")
    assert (await not_delegated(core, child, f"{READER}/sub/x")).code == "no_grant"


async def test_a_parents_token_that_was_revoked_alone_delegates_nothing(core):
    """Its grant goes on with a fresh index; the token that leaked does not."""
    token = await parent_token(core)
    index = claims(token)["status"]["status_list"]["idx"]
    await execute(core, f"UPDATE status_indexes SET value = 1 WHERE idx = {index}")
    await execute(core, "UPDATE grants SET status_list = NULL, status_index = NULL, revision = revision + 1")
    error = await not_delegated(core, token, READER)
    assert (error.code, "revoked" in error.detail) == ("evidence_refused", True)
    assert (await delegate(core, await parent_token(core), READER)).agent == READER


async def test_a_delegated_grant_whose_index_was_revoked_gets_a_fresh_one(core):
    """A leaked token of a sub-agent costs its index, not the sub-agent its authority."""
    token = await parent_token(core)
    before = claims(await delegate(core, token, READER))["status"]
    await execute(
        core, "UPDATE grants SET status_list = NULL, status_index = NULL, revision = revision + 1 WHERE delegated = 1"
    )
    assert claims(await delegate(core, token, READER))["status"] != before


async def test_a_sidecar_that_was_stopped_delegates_nothing(core):
    """Its state is read with the decision."""
    token = await parent_token(core)
    await execute(core, "UPDATE sidecars SET state = 'revoked', revision = revision + 1")
    assert (await not_delegated(core, token, READER)).code == "session_invalid"


async def test_open_tasks_of_a_sub_agent_are_bounded_too(core):
    """By the same number as anybody's."""
    token = await parent_token(core)
    for number in range(MAX_OPEN_TASKS):
        await delegate(core, token, READER, task=f"t-{number}")
    assert (await not_delegated(core, token, READER, task="more")).code == "too_many_tasks"
    assert (await delegate(core, token, READER)).task is None


async def test_a_refused_delegation_is_recorded(core):
    """With the parent's token that was shown, and makes no sub-agent."""
    token = await parent_token(core)
    await not_delegated(core, token, READER, scope=SpendScope(models=("z",)))
    (record,) = await core.audit.query(AuditQuery(kind="issuance", outcome=Outcome.REFUSED))
    assert (record.actor, record.agent, record.detail["code"]) == (EDGE.actor, READER, "scope_too_wide")
    assert record.detail["delegation"]["jti"] == claims(token)["jti"]
    assert [agent.agent for agent in await core.registry.agents(OPERATOR, Page(), None)] == [PARENT]


async def test_a_batch_may_hold_both(core):
    """Delegations and evidence side by side; each has its own outcome, in its place."""
    token = await parent_token(core)
    wanted = [
        request(UID, caller=EDGE),
        await delegating(core, token, READER),
        await delegating(core, token, "acme/other/sub/x"),
        request("unix:uid:7", caller=EDGE),
    ]
    outcomes = await core.issuance.issue(wanted)
    assert [isinstance(outcome, RemitError) for outcome in outcomes] == [False, False, True, True]
    assert [outcomes[0][0].agent, outcomes[1][0].agent] == [PARENT, READER]


class TestAttestedSubAgents:
    """A sub-agent with an entry and a grant of its own: the agents above bound it all the same."""

    @pytest.fixture
    async def core(self, core):
        await core.registry.create_agent(core.change, NewAgent(agent=READER))
        await execute(
            core,
            "INSERT INTO entries (id, agent_id, anchor, selectors, created_at) "
            "SELECT 'en_x', id, 'unix:uid:2', '[\"unix:uid:2\"]', 0 FROM agents WHERE path LIKE '%/reader'",
        )
        return core

    async def test_it_has_what_it_leaves_out_from_above(self, core):
        """No evidence but its own, so no mark; the parent's limits."""
        await core.registry.create_grant(core.change, NewGrant(agent=READER))
        said = claims(await the_one(core, request("unix:uid:2")))
        assert "amr" not in said
        assert said["authorization_details"][0]["models"] == ["a", "b"]

    async def test_more_than_above_is_not_granted(self, core):
        """The hint names who is above."""
        scope = SpendScope(models=("a", "z")).encode()
        with pytest.raises(RemitError) as refused:
            await core.registry.create_grant(core.change, NewGrant(agent=READER, scope=scope))
        assert (refused.value.code, PARENT in (refused.value.hint or "")) == ("scope_too_wide", True)

    async def test_what_has_become_too_much_is_not_issued(self, core):
        """The parent's grant was replaced by a narrower one."""
        await core.registry.create_grant(core.change, NewGrant(agent=READER, scope=SpendScope(models=("a",)).encode()))
        assert not isinstance((await core.issuance.issue([request("unix:uid:2")]))[0], RemitError)
        await execute(core, "UPDATE grants SET state = 'revoked', revision = revision + 1 WHERE agent_id = 1")
        (outcome,) = await core.issuance.issue([request("unix:uid:2")])
        assert (outcome.code, PARENT in outcome.detail) == ("no_grant", True)
        await core.registry.create_grant(core.change, NewGrant(agent=PARENT, scope=SpendScope(models=("b",)).encode()))
        (outcome,) = await core.issuance.issue([request("unix:uid:2")])
        assert (outcome.code, PARENT in (outcome.hint or "")) == ("scope_too_wide", True)

    async def test_it_ends_with_the_grants_above(self, core):
        """Sooner than its own."""
        await core.registry.create_grant(core.change, NewGrant(agent=READER))
        await execute(core, f"UPDATE grants SET expires_at = {NOW + 30} WHERE agent_id = 1")
        assert (await the_one(core, request("unix:uid:2", agent=READER))).expires_at == NOW + 30
        core.clock.now += 30
        (outcome,) = await core.issuance.issue([request("unix:uid:2", agent=READER)])
        assert outcome.code == "no_grant"

    async def test_what_was_delegated_to_it_is_beside_its_own(self, core):
        """Its own standing grant is neither used up nor widened by a delegation."""
        await core.registry.create_grant(core.change, NewGrant(agent=READER, scope=SpendScope(models=("a",)).encode()))
        own = await the_one(core, request("unix:uid:2"))
        child = await delegate(core, await parent_token(core), READER)
        assert own.grant != child.grant
        assert SpendScope.parse((await the_one(core, request("unix:uid:2"))).scope).models == ("a",)
