"""The re-read that guards a record: what it finds changed, whatever else is in the batch."""

import pytest

from issuer.issuance import store
from issuer.issuance.model import Link
from tests.fakes.issuing import open_core

PLANNER, SEARCH = Link("agents", 1, 1), Link("agents", 2, 1)


@pytest.fixture
async def core(tmp_path):
    core = await open_core(tmp_path)
    await core.register("acme/planner")
    await core.register("acme/search")
    yield core
    await core.database.close()


async def changed(core, *links):
    return await core.database.read(lambda tx: store.changed(tx, frozenset(links)))


async def bump(core, what):
    await core.database.transaction(lambda tx: tx.execute(f"UPDATE agents SET {what} WHERE id = 1"))


async def test_what_stands_is_not_named(core):
    """Nothing changed, and nothing asked for."""
    assert await changed(core, PLANNER, SEARCH) == frozenset()
    assert await changed(core) == frozenset()


@pytest.mark.parametrize("what", ["state = 'suspended'", "revision = 2", "state = 'revoked', revision = 2"])
async def test_only_what_changed_is_named(core, what):
    """By its state or by its revision; its neighbour stands."""
    await bump(core, what)
    assert await changed(core, PLANNER, SEARCH) == {PLANNER}


async def test_what_is_gone_is_named(core):
    """A link to nothing."""
    assert await changed(core, PLANNER, Link("agents", 99, 1)) == {Link("agents", 99, 1)}


async def test_of_two_revisions_of_one_thing_the_old_one_is_named(core):
    """One request of a batch was decided before a change and another one after it."""
    await bump(core, "revision = 2")
    now = Link("agents", 1, 2)
    assert await changed(core, PLANNER, now, SEARCH) == {PLANNER}
