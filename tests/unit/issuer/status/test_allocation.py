"""Drawing status indexes: at random, never twice, always from a list that was announced before."""

import time

import pytest

from issuer.errors import NotFoundError
from issuer.registry.state import StatusValue
from issuer.status import allocation, store
from issuer.status.model import LIST_SIZE, Mark, StatusChange, StatusIndex
from issuer.status.service import StatusLists
from issuer.storage import SQLiteDatabase, UniqueViolationError

NOW = 1_700_000_000


@pytest.fixture
async def database(tmp_path):
    database = SQLiteDatabase(tmp_path / "remit.db")

    async def grant(tx):
        await tx.execute("INSERT INTO accounts (name, owner, created_at) VALUES ('acme', 'o', 0)")
        await tx.execute("INSERT INTO agents (account_id, path, owner, created_at) VALUES (1, 'a', 'o', 0)")
        await tx.execute(
            "INSERT INTO grants (id, agent_id, scope, funding, owner, created_at) VALUES ('g', 1, '{}', 'jit', 'o', 0)"
        )

    await database.transaction(grant)
    yield database
    await database.close()


async def drawn(database, count: int) -> list[StatusIndex]:
    """Draw and assign."""

    async def work(tx):
        indexes = await allocation.draw(tx, count, NOW)
        await allocation.assign(tx, [(index, "g", StatusValue.VALID) for index in indexes])
        return indexes

    return await database.transaction(work)


async def shrink(database, size: int) -> None:
    """Give all lists a size that fills up soon."""
    await StatusLists(database).prepare(NOW)
    await database.transaction(lambda tx: tx.execute("UPDATE status_lists SET size = $1", size))


async def test_two_lists_are_announced_before_anything_is_drawn(database):
    """The one that is drawn from first, and the one after it; preparing again changes nothing."""
    lists = StatusLists(database)
    await lists.prepare(NOW)
    await lists.prepare(NOW)
    assert await lists.announced() == [1, 2]
    snapshot = await lists.snapshot(1)
    assert (snapshot.size, snapshot.marked) == (LIST_SIZE, ())


async def test_an_index_is_never_drawn_twice(database):
    """Not even when a list is half full."""
    await shrink(database, 64)
    indexes = [index for _ in range(16) for index in await drawn(database, 2)]
    assert len(set(indexes)) == 32
    assert {index.list for index in indexes} == {1}
    assert all(0 <= index.idx < 64 for index in indexes)


async def test_a_list_is_full_at_half_and_the_next_was_announced_before(database):
    """A draw that crosses the end of a list takes the rest from the next; one more is announced by then."""
    await shrink(database, 64)
    await drawn(database, 30)
    assert await StatusLists(database).announced() == [1, 2]
    indexes = await drawn(database, 5)
    assert sorted(index.list for index in indexes) == [1, 1, 2, 2, 2]
    assert await StatusLists(database).announced() == [1, 2, 3]


async def test_indexes_tell_nothing_about_their_order(database):
    """They are drawn from the whole list, not one after the other."""
    indexes = [index.idx for index in await drawn(database, 64)]
    assert indexes != sorted(indexes)
    assert max(indexes) > LIST_SIZE // 2


async def test_a_draw_that_is_undone_leaves_no_trace(database):
    """The counter and the index go back together with the rest of the transaction."""

    async def fails(tx):
        (index,) = await allocation.draw(tx, 1, NOW)
        await allocation.assign(tx, [(index, "g", StatusValue.VALID)])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.transaction(fails)
    figures = await StatusLists(database).figures()
    assert sum(item.allocated for item in figures.lists) == 0


async def test_the_database_refuses_to_assign_an_index_again(database):
    """Whatever the program does."""
    (index,) = await drawn(database, 1)
    with pytest.raises(UniqueViolationError):
        await database.transaction(lambda tx: allocation.assign(tx, [(index, "g", StatusValue.VALID)]))


async def test_a_renewed_grant_has_a_fresh_index_and_a_higher_revision(database):
    """The index before stays what it was."""
    (old,) = await drawn(database, 1)
    new = await database.transaction(lambda tx: allocation.renew(tx, "g", StatusValue.SUSPENDED, NOW))
    row = await database.read(lambda tx: tx.fetch_row("SELECT * FROM grants"))
    assert (row["status_list"], row["status_index"], row["revision"]) == (new.list, new.idx, 2)
    assert new != old
    assert (await StatusLists(database).snapshot(1)).marked == ((new.idx, 2),)


async def test_the_head_moves_only_when_something_changed(database):
    """And then by one."""
    assert await advance(database, []) == 0
    assert await advance(database, [Mark(1, 7, 1)]) == 1
    assert await advance(database, [], keys=("kid-1",)) == 2
    assert await database.read(store.head) == 2


async def test_a_change_is_kept_with_what_it_was(database):
    """Its marks, the lists that they are in, tainted keys, and when it was asked for and done."""
    marks = [Mark(2, 9, 1), Mark(1, 7, 2), Mark(2, 3, 0)]
    await advance(database, marks, keys=("kid-1",))
    row = await database.read(lambda tx: tx.fetch_row("SELECT * FROM status_changes"))
    assert (row["seq"], row["verb"], row["what"], row["account"]) == (1, "revoke", "agent acme/planner", "acme")
    assert (row["marks"], row["lists"], row["keys"]) == ("[[2,9,1],[1,7,2],[2,3,0]]", "[1,2]", '["kid-1"]')
    assert row["requested_at_ms"] == NOW * 1000
    assert abs(row["committed_at_ms"] - time.time() * 1000) < 60_000
    assert row["enforced"] is None


@pytest.mark.parametrize(("count", "named"), [(256, True), (257, False)])
async def test_a_change_of_many_indexes_names_its_lists_only(database, count, named):
    """No event names more than 256."""
    await advance(database, [Mark(1 + idx % 2, idx, 1) for idx in range(count)])
    row = await database.read(lambda tx: tx.fetch_row("SELECT * FROM status_changes"))
    assert (row["marks"] is not None, row["lists"]) == (named, "[1,2]")


async def advance(database, marks, *, keys=()):
    """Number a change of an agent."""
    change = StatusChange(
        verb="revoke", what="agent acme/planner", account="acme", marks=marks, keys=keys, requested_at_ms=NOW * 1000
    )
    return await database.transaction(lambda tx: store.advance(tx, change))


async def test_a_list_that_is_not_there_is_not_found(database):
    """Also the one after the last."""
    await StatusLists(database).prepare(NOW)
    with pytest.raises(NotFoundError):
        await StatusLists(database).snapshot(3)


async def register(database, grant_id, index, expires_at, value=StatusValue.VALID):
    """A task's grant with that index."""

    async def work(tx):
        await tx.execute(
            "INSERT INTO grants (id, agent_id, task, scope, funding, owner, expires_at, created_at) "
            "VALUES ($1, 1, $1, '{}', 'jit', 'o', $2, 0)",
            grant_id,
            expires_at,
        )
        await allocation.assign(tx, [(index, grant_id, value)])

    await database.transaction(work)


@pytest.mark.parametrize(
    ("expires_at", "value", "ends"),
    [
        (NOW, StatusValue.VALID, True),
        (NOW + 1, StatusValue.VALID, False),
        (None, StatusValue.VALID, False),
        (None, StatusValue.SUSPENDED, False),
        (None, StatusValue.INVALID, True),
    ],
)
async def test_a_full_list_ends_with_its_last_grant(database, expires_at, value, ends):
    """Expired and revoked are final; it stays announced until its tokens are over, and its indexes stay used."""
    await shrink(database, 4)
    lists = StatusLists(database)
    first, second = await database.transaction(lambda tx: allocation.draw(tx, 2, NOW))
    await register(database, "first", first, NOW)
    await lists.prepare(NOW)
    assert await ended(database) == []
    await register(database, "second", second, expires_at, value)
    await lists.prepare(NOW)
    assert await ended(database) == ([1] if ends else [])
    for ago, announced in ((3500, [1, 2, 3]), (3601, [2, 3] if ends else [1, 2, 3])):
        await ended_ago(database, ago)
        assert await lists.announced() == announced
    assert (await lists.snapshot(1)).size == 4


async def test_a_list_that_is_not_full_never_ends(database):
    """New grants still get indexes from it."""
    await shrink(database, 64)
    await StatusLists(database).prepare(NOW)
    assert await ended(database) == []


async def ended(database):
    rows = await database.read(lambda tx: tx.fetch("SELECT number FROM status_lists WHERE ended_at IS NOT NULL"))
    return [row["number"] for row in rows]


async def ended_ago(database, seconds):
    """Let every list that has ended have done so then, by the database's clock."""
    sql = "UPDATE status_lists SET ended_at = unixepoch() - $1 WHERE ended_at IS NOT NULL"
    await database.transaction(lambda tx: tx.execute(sql, seconds))
