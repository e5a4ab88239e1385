"""Remembered decisions: what ends by itself is decided on anew, for nothing that it rests on has changed."""

import pytest

from issuer.authority.model import Stop, Verb
from issuer.registry.requests import NewGrant
from remit.errors import RemitError
from tests.fakes.authority import authority_over
from tests.fakes.issuing import open_core, request

UID = "unix:uid:1000"
AGENT = "acme/planner"


@pytest.fixture
async def core(tmp_path):
    core = await open_core(tmp_path)
    yield core
    await core.database.close()


async def issue(core):
    """What an agent that asks by its name gets."""
    (outcome,) = await core.issuance.issue([request(UID, agent=AGENT)])
    return outcome


async def test_a_grant_that_expired_gives_way_to_the_next_one(core):
    """Remembered, expired, revoked, replaced: the agent is served by the new grant without a restart."""
    await core.register(AGENT, UID, grant=False)
    old = await core.registry.create_grant(core.change, NewGrant(agent=AGENT, expires_in_seconds=60))
    assert (await issue(core))[0].grant == old.id
    core.clock.now += 61
    expired = await issue(core)
    assert isinstance(expired, RemitError)
    assert (expired.code, "has expired" in expired.detail) == ("no_grant", True)
    authority = authority_over(core.database, core.clock.ms)
    await authority.stop(core.change, Verb.REVOKE, Stop(what=f"grant:{old.id}", reason="expired"))
    new = await core.registry.create_grant(core.change, NewGrant(agent=AGENT))
    assert (await issue(core))[0].grant == new.id
