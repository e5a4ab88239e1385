"""What an agent is done with does not hold up its end: only grants on which a token may still be good are looked at."""

import pytest

from issuer.authority.model import Stop, Verb
from issuer.registry.requests import NewGrant
from tests.fakes.authority import authority_over
from tests.fakes.issuing import open_core

AGENT = "acme/planner"


@pytest.fixture
async def core(tmp_path):
    core = await open_core(tmp_path)
    await core.register(AGENT)
    yield core
    await core.database.close()


async def marked(core):
    """The tasks whose index says that they are revoked; None is the standing grant."""
    rows = await core.database.read(
        lambda tx: tx.fetch(
            "SELECT task FROM grants JOIN status_indexes ON list = status_list AND idx = status_index WHERE value = 1"
        )
    )
    return {row["task"] for row in rows}


@pytest.mark.parametrize("what", ["account:acme", f"agent:{AGENT}"])
async def test_only_what_may_still_be_good_is_marked(core, what):
    """What expired long ago is left as it is; what expired a moment ago is not, for clocks differ."""
    for task, seconds in (("long ago", 10), ("just now", 3700), ("open", 9000)):
        await core.registry.create_grant(
            core.change, NewGrant(agent=AGENT, task=task.replace(" ", "-"), expires_in_seconds=seconds)
        )
    core.clock.now += 3710
    stopped = await authority_over(core.database, core.clock.ms).stop(core.change, Verb.REVOKE, Stop(what, "a test"))
    assert await marked(core) == {None, "open", "just-now"}
    assert stopped.changed.grants == 3
