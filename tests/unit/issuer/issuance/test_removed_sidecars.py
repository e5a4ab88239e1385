"""What a sidecar that was suspended, evicted or banned still gets with what it has in hand: nothing new, and nothing is forgotten."""

import pytest

from attestors.base import Appraisal
from issuer.attestation import ActiveSidecar
from issuer.authority.eviction import Eviction, Removal
from issuer.authority.model import Stop, Verb
from issuer.errors import UnauthenticatedError
from issuer.issuance import Caller, PresentedTokens
from issuer.registry.requests import NewEntry, NewJoinToken
from issuer.registry.state import StatusValue
from issuer.status.model import StatusIndex
from issuer.status.store import value_of
from issuer.subjectkeys import Registration, SubjectKeys
from remit.dpop import Proof
from remit.errors import RemitError
from remit.ids import SidecarName
from tests.fakes.agent_keys import MadeKey
from tests.fakes.authority import authority_over
from tests.fakes.delegating import EDGE, EDGES_KEY, ENDPOINT, PARENT, UID, claims, delegate, execute, the_one
from tests.fakes.interposing import Interposing
from tests.fakes.issuing import ISSUER, NOW, open_core, request

READER = f"{PARENT}/sub/reader"


@pytest.fixture
async def core(tmp_path):
    core = await open_core(tmp_path, wrap=Interposing)
    await core.register(PARENT)
    await core.registry.create_join_token(core.change, NewJoinToken(sidecar="edge-1"))
    await execute(core, "UPDATE sidecars SET jkt = $1, joined_at = 1, revision = revision + 1", EDGES_KEY)
    yield core
    await core.database.close()


@pytest.fixture
def authority(core):
    return authority_over(core.registry._database, core.clock.ms)


@pytest.fixture
def keys(core):
    return SubjectKeys(core.registry._database, ISSUER)


async def entry(core, *, bound=False):
    await core.registry.create_entry(
        core.change, NewEntry(agent=PARENT, selectors=[UID], sidecar="edge-1", bound=bound)
    )


async def register(core, keys, key, held_by="sidecar"):
    registration = Registration(jwk=key.jwk, jkt=key.jkt, held_by=held_by)
    return await keys.register(registration, EDGE, Appraisal(frozenset({UID}), "a test"), None, core.clock.ms())


async def bound_token(core, keys):
    """A token for the token endpoint, bound to a key that the sidecar holds; and that key."""
    await entry(core, bound=True)
    key = MadeKey()
    await register(core, keys, key)
    return await the_one(core, request(UID, agent=PARENT, audience=ENDPOINT, caller=EDGE)), key


def by(key):
    return Proof(key.jkt, "j", NOW, NOW + 65, {})


async def held_by_whom(core, token, key):
    presented = PresentedTokens(core.registry._database, core.keys, ISSUER, 5)
    return await presented.delegation(token.token, by(key), NOW, body_covered=False)


async def status(core, token):
    named = claims(token)["status"]["status_list"]
    index = StatusIndex(int(named["uri"].rpartition("/")[2]), named["idx"])
    return await core.database.read(lambda tx: value_of(tx, index))


def evicting(core, authority, **more):
    return lambda: authority.remove_sidecar(core.change, Removal.EVICT, "edge-1", Eviction("stolen", **more))


@pytest.mark.parametrize("again", [False, True], ids=["first decision", "remembered decision"])
@pytest.mark.parametrize("rejoined", [False, True])
async def test_an_evicted_sidecar_gets_nothing_for_what_it_asked_before(core, authority, again, rejoined):
    """Its session was good when it asked; also when a new machine has joined under its name by then."""
    await entry(core)

    async def meanwhile():
        await evicting(core, authority, revoke_issued=True)()
        if rejoined:
            await execute(core, "UPDATE sidecars SET jkt = $1, revision = revision + 1", "n" * 43)

    if again:
        await the_one(core, request(UID, agent=PARENT, caller=EDGE))
    core.database.before = [meanwhile]
    (outcome,) = await core.issuance.issue([request(UID, agent=PARENT, caller=EDGE)])
    assert isinstance(outcome, RemitError)
    assert outcome.code == "session_invalid"


async def test_what_is_remembered_of_a_new_machine_is_not_for_the_one_before(core, authority):
    """They have a name and an id in common, and nothing else."""
    await entry(core)
    new = Caller.of(ActiveSidecar(1, SidecarName.parse("edge-1"), "n" * 43))
    await evicting(core, authority)()
    await execute(core, "UPDATE sidecars SET jkt = $1, revision = revision + 1", "n" * 43)
    await the_one(core, request(UID, agent=PARENT, caller=new))
    (outcome,) = await core.issuance.issue([request(UID, agent=PARENT, caller=EDGE)])
    assert isinstance(outcome, RemitError)
    assert outcome.code == "session_invalid"


async def test_an_evicted_sidecar_registers_no_key(core, authority, keys):
    """One that stayed behind would be that of the machine which joins next."""
    await entry(core, bound=True)
    await evicting(core, authority)()
    with pytest.raises(UnauthenticatedError):
        await register(core, keys, MadeKey())


@pytest.mark.parametrize("verb", [Verb.SUSPEND, Verb.REVOKE])
async def test_a_stopped_sidecar_delegates_nothing_by_a_key_that_it_holds(core, authority, keys, verb):
    """No more than by its own key."""
    token, key = await bound_token(core, keys)
    await authority.stop(core.change, verb, Stop("sidecar:edge-1", "stolen"))
    with pytest.raises(UnauthenticatedError):
        await held_by_whom(core, token, key)


async def test_a_sidecar_that_is_stopped_meanwhile_delegates_nothing_by_a_key_that_it_holds(core, authority, keys):
    """The decision rests on the sidecar, as with its own key."""
    token, key = await bound_token(core, keys)
    caller, _, delegation = await held_by_whom(core, token, key)
    assert caller == EDGE
    await authority.stop(core.change, Verb.SUSPEND, Stop("sidecar:edge-1", "stolen"))
    wanted = request(caller=caller, agent=READER, delegation=delegation, single=True)
    (outcome,) = await core.issuance.issue([wanted])
    assert isinstance(outcome, RemitError)
    assert outcome.code == "session_invalid"


async def test_what_it_delegated_by_a_key_that_it_held_is_taken_back_too(core, authority, keys):
    """Whose proof it was changes nothing: the sidecar obtained it."""
    token, key = await bound_token(core, keys)
    caller, _, _ = await held_by_whom(core, token, key)
    child = await delegate(core, token, READER, caller=caller)
    await evicting(core, authority, revoke_issued=True)()
    assert (await status(core, token), await status(core, child)) == (StatusValue.INVALID, StatusValue.INVALID)


async def test_what_was_delegated_from_a_revoked_token_is_revoked_with_it(core, authority):
    """And what was delegated from that; not what the agent has for a task, which came by its own evidence."""
    await entry(core)
    token = await the_one(core, request(UID, agent=PARENT, audience=ENDPOINT, caller=EDGE))
    task = await the_one(core, request(UID, agent=PARENT, task="t", audience=ENDPOINT, caller=EDGE))
    child = await delegate(core, token, READER, audience=ENDPOINT, caller=EDGE)
    grandchild = await delegate(core, child, f"{READER}/sub/x", caller=EDGE)
    of_task = await delegate(core, task, READER, caller=EDGE)
    await authority.stop(core.change, Verb.REVOKE, Stop(f"jti:{claims(token)['jti']}", "in a log"))
    gone, kept = (token, child, grandchild), (task, of_task)
    assert [await status(core, one) for one in gone] == [StatusValue.INVALID] * 3
    assert [await status(core, one) for one in kept] == [StatusValue.VALID] * 2
    fresh = await the_one(core, request(UID, agent=PARENT, audience=ENDPOINT, caller=EDGE))
    again = await delegate(core, fresh, READER, caller=EDGE)
    assert (await status(core, again), again.grant) == (StatusValue.VALID, child.grant)


async def test_a_revoked_key_takes_along_what_was_delegated_by_it(core, keys):
    """Those tokens are bound to the same key."""
    token, key = await bound_token(core, keys)
    child = await delegate(core, token, READER, caller=EDGE)
    assert claims(child)["cnf"] == {"jkt": key.jkt}
    await keys.revoke(core.change, key.jkt, "found in a backup")
    assert (await status(core, token), await status(core, child)) == (StatusValue.INVALID, StatusValue.INVALID)
