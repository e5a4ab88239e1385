"""What commits between a decision and its record: everything that a token rests on voids it, nothing else does."""

import pytest

from issuer.audit.model import AuditQuery, Outcome
from issuer.authority.model import Completion, Stop, Verb
from issuer.errors import AuthorityChangedError
from issuer.issuance import Caller
from issuer.keys import Purpose
from issuer.registry.model import Page
from issuer.registry.requests import NewEntry
from remit.errors import RemitError
from remit.jose import parse_unverified
from tests.fakes.authority import authority_over
from tests.fakes.interposing import Interposing, nothing
from tests.fakes.issuing import NOW, OPERATOR, open_core, request

UID = "unix:uid:1000"


@pytest.fixture
async def core(tmp_path):
    core = await open_core(tmp_path, wrap=Interposing)
    await core.register("acme/planner")
    await core.register("acme/planner/sub/search", UID)
    yield core
    await core.database.close()


def stopping(core, verb, what):
    """Make an operator suspend, resume or revoke something."""
    authority = authority_over(core.registry._database, core.clock.ms)
    return lambda: authority.stop(core.change, verb, Stop(what=what, reason="test"))


def executing(core, sql):
    return lambda: core.registry._database.transaction(lambda tx: tx.execute(sql))


async def issue(core, **more):
    (outcome,) = await core.issuance.issue([request(UID, **more)])
    return outcome


async def allowed(core):
    return await core.audit.query(AuditQuery(kind="issuance", outcome=Outcome.ALLOWED))


@pytest.mark.parametrize("verb", [Verb.REVOKE, Verb.SUSPEND])
@pytest.mark.parametrize("what", ["account:acme", "acme/planner", "acme/planner/sub/search"])
async def test_what_is_stopped_meanwhile_gets_no_token(core, verb, what):
    """The account, an ancestor, the agent: the decision was made before, the record is refused."""
    core.database.before = [stopping(core, verb, what)]
    outcome = await issue(core)
    assert isinstance(outcome, RemitError)
    assert outcome.code == "agent_not_active"
    assert await allowed(core) == []


async def test_a_grant_that_is_revoked_meanwhile_gives_no_token(core):
    """By its own id."""
    (grant,) = [row.id for row in await _grants(core) if row.agent == "acme/planner/sub/search"]
    core.database.before = [stopping(core, Verb.REVOKE, grant)]
    assert (await issue(core)).code == "no_grant"
    assert await allowed(core) == []


async def test_a_deleted_entry_gives_no_token(core):
    """What matched a moment ago matches no more."""
    (entry,) = await _entries(core)
    core.database.before = [lambda: core.registry.delete_entry(core.change, entry.id)]
    assert (await issue(core)).code == "no_entry"
    assert await allowed(core) == []


async def test_a_sidecar_that_is_revoked_meanwhile_gets_no_token(core):
    """Its session was good when it asked."""
    await executing(core, "INSERT INTO sidecars (id, name, created_at) VALUES (1, 'edge-1', 0)")()
    await executing(core, "UPDATE entries SET sidecar_id = 1, revision = revision + 1")()
    core.database.before = [
        executing(core, "UPDATE sidecars SET state = 'revoked', revision = revision + 1 WHERE id = 1")
    ]
    assert (await issue(core, caller=Caller("sidecar:edge-1", 1))).code == "session_invalid"
    assert await allowed(core) == []


async def test_no_task_is_opened_on_authority_that_is_gone(core):
    """A grant that opened now would carry an index that no revocation covers."""
    core.database.before = [stopping(core, Verb.REVOKE, "acme/planner")]
    assert (await issue(core, task="task-81")).code == "agent_not_active"
    assert [grant for grant in await _grants(core) if grant.task] == []


async def test_a_task_revoked_between_its_opening_and_the_record(core):
    """The grant was opened for this very request; revoked before the token is recorded, it gives none."""
    core.database.before = [nothing, stopping(core, Verb.REVOKE, "task:task-81")]
    assert (await issue(core, task="task-81")).code == "no_grant"
    assert await allowed(core) == []


async def test_a_task_that_is_completed_meanwhile_gives_no_token(core):
    """Its end is final, also for whoever asked before."""
    assert not isinstance(await issue(core, task="task-81"), RemitError)
    authority = authority_over(core.registry._database, core.clock.ms)
    core.database.before = [lambda: authority.complete(core.change, Completion("task-81"))]
    assert (await issue(core, task="task-81")).code == "no_grant"
    assert len(await allowed(core)) == 1


@pytest.mark.parametrize("prepared", [False, True])
async def test_a_key_that_is_tainted_meanwhile_signs_nothing_that_leaves(core, prepared):
    """What it signed is void; there is no outage: the same request gets a token by the successor."""
    tainted = core.keys.signer(Purpose.TOKEN, now=NOW).key.kid
    if prepared:
        await core.keys.rotate(core.change, Purpose.TOKEN)
    authority = authority_over(core.registry._database, core.clock.ms, keys=core.keys)
    core.database.before = [lambda: authority.stop(core.change, Verb.REVOKE, Stop(f"key:{tainted}", "test"))]
    (credential,) = await issue(core)
    successor = core.keys.signer(Purpose.TOKEN, now=NOW).key.kid
    assert parse_unverified(credential.token).unverified_header()["kid"] == successor != tainted
    assert [record.detail["kid"] for record in await allowed(core)] == [successor]


async def test_a_change_that_leaves_authority_whole_only_delays(core):
    """Suspended and resumed meanwhile: decided anew, and issued once."""

    async def blink():
        await stopping(core, Verb.SUSPEND, "acme/planner")()
        await stopping(core, Verb.RESUME, "acme/planner")()

    core.database.before = [blink]
    assert not isinstance(await issue(core), RemitError)
    assert len(await allowed(core)) == 1


async def test_what_never_stands_still_is_refused_in_the_end(core):
    """A bounded number of decisions; the refusal is recorded."""
    core.database.before = [executing(core, "UPDATE agents SET revision = revision + 1")] * 4
    outcome = await issue(core)
    assert isinstance(outcome, AuthorityChangedError)
    (refused,) = await core.audit.query(AuditQuery(kind="issuance", outcome=Outcome.REFUSED))
    assert refused.detail["code"] == "authority_changed"


async def test_only_the_request_that_is_touched_is_decided_anew(core):
    """Its neighbour in the batch is recorded the first time."""
    await core.register("beta/other", "unix:uid:7")
    core.database.before = [stopping(core, Verb.REVOKE, "account:acme")]
    outcomes = await core.issuance.issue([request(UID), request("unix:uid:7")])
    assert [isinstance(outcome, RemitError) for outcome in outcomes] == [True, False]


async def _grants(core):
    return await core.registry.grants(OPERATOR, Page(), agent=None, task=None)


async def _entries(core):
    return await core.registry.entries(OPERATOR, Page(), agent=None, sidecar=None)


@pytest.fixture
async def counted(tmp_path):
    core = await open_core(tmp_path, wrap=Interposing)
    await core.register("acme/planner", UID)
    yield core
    await core.database.close()


async def test_a_decision_is_read_once(counted):
    """The second time it is recalled, and checked by the record alone."""
    first = await issue(counted, agent="acme/planner")
    reads = counted.database.reads
    second = await issue(counted, agent="acme/planner")
    assert counted.database.reads == reads
    assert first[0].token != second[0].token


@pytest.mark.parametrize("verb", [Verb.REVOKE, Verb.SUSPEND])
@pytest.mark.parametrize("what", ["account:acme", "acme/planner"])
async def test_a_remembered_decision_is_void_once_authority_is_gone(counted, verb, what):
    """The record notices, the decision is made anew, and says why not."""
    await issue(counted, agent="acme/planner")
    await stopping(counted, verb, what)()
    assert (await issue(counted, agent="acme/planner")).code == "agent_not_active"


async def test_a_remembered_decision_ends_with_its_grant(counted):
    """Time is no change of anything; it is looked at each time."""
    await executing(counted, f"UPDATE grants SET expires_at = {counted.clock.now + 10}, revision = revision + 1")()
    assert not isinstance(await issue(counted, agent="acme/planner"), RemitError)
    counted.clock.now += 10
    assert (await issue(counted, agent="acme/planner")).code == "no_grant"


async def test_a_more_specific_entry_counts_from_the_next_request_on(counted):
    """It lets the agent's revision grow, so what was decided before is not recalled."""
    both = ("unix:gid:5", UID)
    assert (await counted.issuance.issue([request(*both, agent="acme/planner")]))[0][0].expires_at == NOW + 300
    entry = NewEntry(agent="acme/planner", selectors=list(both), ttl_seconds=60)
    await counted.registry.create_entry(counted.change, entry)
    assert (await counted.issuance.issue([request(*both, agent="acme/planner")]))[0][0].expires_at == NOW + 60
