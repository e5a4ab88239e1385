"""What commits between the decision on a delegation and its record: whatever the child's token rests on voids it."""

import pytest

from issuer.audit.model import AuditQuery, Outcome
from issuer.persons import OnBehalf
from issuer.registry.model import Page
from remit.errors import RemitError
from tests.fakes.delegating import EDGE, ENDPOINT, PARENT, UID, delegate, delegating, execute, parent_token, with_edge
from tests.fakes.interposing import Interposing, nothing
from tests.fakes.issuing import NOW, OPERATOR, PAIRWISE, open_core, request

READER = f"{PARENT}/sub/reader"
SEARCH = f"{READER}/sub/search"
ANA = OnBehalf(PAIRWISE.digest("https://login.example", "ana"), NOW + 3600, "login")

# What a token of the sub-sub-agent rests on, as a condition on the row; and the code of the refusal once it is gone.
RESTS_ON = {
    "account": ("accounts", "name = 'acme'", "agent_not_active"),
    "first agent": ("agents", "path = 'planner'", "agent_not_active"),
    "parent": ("agents", "path = 'planner/sub/reader'", "agent_not_active"),
    "sub-agent": ("agents", "path LIKE '%/search'", "agent_not_active"),
    "the standing grant": ("grants", "delegated = 0 AND person_id IS NULL AND task IS NULL", "no_grant"),
    "the person's grant": ("grants", "delegated = 0 AND person_id IS NOT NULL", "no_grant"),
    "the parent's grant": ("grants", "delegated = 1 AND agent_id = 2", "no_grant"),
    "its own grant": ("grants", "delegated = 1 AND agent_id = 3", "no_grant"),
    "sidecar": ("sidecars", "name = 'edge-1'", "session_invalid"),
    "person": ("persons", "1 = 1", "person_not_active"),
}


@pytest.fixture
async def core(tmp_path):
    core = await open_core(tmp_path, wrap=Interposing)
    await with_edge(core)
    await core.register(PARENT, UID)
    await execute(core, "UPDATE entries SET sidecar_id = 1")
    yield core
    await core.database.close()


async def parents_token(core):
    """A token of the sub-agent `reader`, delegated on behalf of a person, with which it delegates on."""
    first = await parent_token(core, person=ANA)
    return await delegate(core, first, READER, audience=ENDPOINT)


def stopping(core, what, state):
    table, where, _ = RESTS_ON[what]
    return lambda: execute(core, f"UPDATE {table} SET state = '{state}', revision = revision + 1 WHERE {where}")


async def ask(core, token):
    (outcome,) = await core.issuance.issue([await delegating(core, token, SEARCH)])
    return outcome


async def issued_to_search(core):
    return await core.audit.query(AuditQuery(kind="issuance", outcome=Outcome.ALLOWED, agent=SEARCH))


@pytest.mark.parametrize("state", ["suspended", "revoked"])
@pytest.mark.parametrize("what", RESTS_ON)
async def test_what_is_stopped_before_the_record_voids_the_token(core, what, state):
    """The decision was made, the record is refused, and the next decision says why."""
    token = await parents_token(core)
    await ask(core, token)
    known = len(await issued_to_search(core))
    core.database.before = [stopping(core, what, state)]
    outcome = await ask(core, token)
    assert isinstance(outcome, RemitError)
    assert outcome.code == RESTS_ON[what][2]
    assert core.database.before == []
    assert len(await issued_to_search(core)) == known


@pytest.mark.parametrize("what", [what for what in RESTS_ON if what not in ("sub-agent", "its own grant")])
async def test_nothing_is_opened_on_authority_that_is_gone(core, what):
    """A first delegation: neither the sub-agent nor its grant is made."""
    token = await parents_token(core)
    core.database.before = [stopping(core, what, "revoked")]
    assert (await ask(core, token)).code == RESTS_ON[what][2]
    assert SEARCH not in {agent.agent for agent in await core.registry.agents(OPERATOR, Page(), None)}
    assert SEARCH not in {grant.agent for grant in await core.registry.grants(OPERATOR, Page(), agent=None, task=None)}


@pytest.mark.parametrize("what", RESTS_ON)
async def test_what_is_stopped_between_opening_and_record(core, what):
    """The grant was opened for this very request; then it gives no token."""
    token = await parents_token(core)
    core.database.before = [nothing, stopping(core, what, "revoked")]
    assert (await ask(core, token)).code == RESTS_ON[what][2]
    assert await issued_to_search(core) == []


async def test_a_sub_agent_that_somebody_registered_meanwhile_is_looked_at_anew(core):
    """In whatever state it is: here it is suspended at once, and no grant is opened for it."""
    token = await parents_token(core)
    suspended = (
        "INSERT INTO agents (account_id, parent_id, path, owner, state, created_at) "
        "SELECT 1, id, 'planner/sub/reader/sub/search', 'o', 'suspended', 0 FROM agents WHERE path = 'planner/sub/reader'"
    )
    core.database.before = [lambda: execute(core, suspended)]
    assert (await ask(core, token)).code == "agent_not_active"
    assert SEARCH not in {grant.agent for grant in await core.registry.grants(OPERATOR, Page(), agent=None, task=None)}


async def test_a_change_that_leaves_authority_whole_only_delays(core):
    """Suspended and resumed meanwhile: decided anew, and issued once."""

    async def blink():
        for state in ("suspended", "active"):
            await stopping(core, "parent", state)()

    token = await parents_token(core)
    core.database.before = [blink, blink]
    assert not isinstance(await ask(core, token), RemitError)
    assert len(await issued_to_search(core)) == 1


async def test_what_is_usual_costs_no_more_reads(core):
    """An agent's own token: one read and one transaction the first time, none and one when it is remembered."""
    wanted = request(UID, agent=PARENT, caller=EDGE)
    before = core.database.reads, core.database.transactions
    await core.issuance.issue([wanted])
    assert (core.database.reads - before[0], core.database.transactions - before[1]) == (1, 1)
    await core.issuance.issue([wanted])
    assert (core.database.reads - before[0], core.database.transactions - before[1]) == (1, 2)


@pytest.mark.parametrize("state", ["suspended", "revoked"])
@pytest.mark.parametrize("meanwhile", [False, True])
async def test_an_agent_above_the_one_that_delegates_has_its_say(core, state, meanwhile):
    """A sub-agent with entry and grant of its own delegates no longer than it gets tokens: while each agent above has its standing grant."""
    await core.register(READER, "unix:uid:7")
    await execute(core, "UPDATE entries SET sidecar_id = 1")
    token = await parent_token(core, READER, "unix:uid:7")
    if meanwhile:
        assert not isinstance(await ask(core, token), RemitError)
    stop = f"UPDATE grants SET state = '{state}', revision = revision + 1 WHERE agent_id = 1"
    core.database.before = [lambda: execute(core, stop)] if meanwhile else []
    if not meanwhile:
        await execute(core, stop)
    outcome = await ask(core, token)
    assert isinstance(outcome, RemitError)
    assert outcome.code == "no_grant"


async def test_a_sub_agents_child_has_no_more_than_every_agent_above_has_by_now(core):
    """The grant above was replaced by one that ends sooner: so does what is delegated below it."""
    await core.register(READER, "unix:uid:7")
    await execute(core, "UPDATE entries SET sidecar_id = 1")
    token = await parent_token(core, READER, "unix:uid:7")
    await execute(core, "UPDATE grants SET expires_at = $1, revision = revision + 1 WHERE agent_id = 1", NOW + 60)
    (credential,) = await ask(core, token)
    assert credential.expires_at == NOW + 60
