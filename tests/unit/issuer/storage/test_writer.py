"""Group commit when the disk fails: everybody is answered, and what failed was not written."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from issuer.storage import SQLiteDatabase, StorageError, Transaction
from issuer.storage.writer import Writer

INSERT = "INSERT INTO accounts (name, owner, created_at) VALUES ($1, $2, 1)"


async def names(database: SQLiteDatabase) -> list[str]:
    return [row["name"] for row in await database.read(lambda tx: tx.fetch("SELECT name FROM accounts ORDER BY id"))]


async def test_a_full_disk_fails_the_commit_and_leaves_none_of_it(tmp_path: Path):
    """What was answered with an error is not there, what was answered with a result is; the next write works again."""
    database = SQLiteDatabase(tmp_path / "remit.db")
    connection = database._write_connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 3}")

    def add(name: str, owner: str = "ana"):
        return database.transaction(lambda tx: tx.execute(INSERT, name, owner))

    wanted = ("before", "big", "after", "later")
    units = [add("before"), add("big", "x" * 200_000), add("after"), add("later")]
    outcomes = await asyncio.gather(*units, return_exceptions=True)
    assert isinstance(outcomes[1], StorageError)
    done = [name for name, outcome in zip(wanted, outcomes, strict=True) if not isinstance(outcome, BaseException)]
    assert await names(database) == done
    connection.execute("PRAGMA max_page_count = 1000000")
    await add("again")
    assert await names(database) == [*done, "again"]
    await database.close()


class FailingCommits:
    """A driver whose disk is gone: neither commit nor rollback works."""

    def begin(self) -> None:
        pass

    def commit(self) -> None:
        raise StorageError("the commit failed")

    def rollback(self) -> None:
        raise StorageError("the rollback failed")

    @contextmanager
    def unit(self) -> Iterator[None]:
        yield


async def test_a_rollback_that_fails_leaves_the_writer_running():
    """Every submitter is answered, the second one too."""
    writer = Writer(FailingCommits(), None)

    async def work(_: Transaction) -> None:
        pass

    for _ in range(2):
        with pytest.raises(StorageError, match="the commit failed"):
            await asyncio.wait_for(writer.submit(work), 5)
    await writer.close()


class FatalCommits(FailingCommits):
    """A driver with a defect that nothing expects."""

    def rollback(self) -> None:
        raise sqlite3.ProgrammingError("not translated")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_writer_that_ends_refuses_instead_of_hanging():
    """Should the thread ever end, those who wait and those who come later get an error."""
    writer = Writer(FatalCommits(), None)

    async def work(_: Transaction) -> None:
        pass

    waiting = [asyncio.create_task(writer.submit(work)) for _ in range(3)]
    done, pending = await asyncio.wait(waiting, timeout=5)
    assert not pending
    assert all(isinstance(task.exception(), StorageError) for task in done)
    with pytest.raises(StorageError, match="closed"):
        await asyncio.wait_for(writer.submit(work), 5)
    await writer.close()
