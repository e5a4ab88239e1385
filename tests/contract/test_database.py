"""The `Database` port: what every driver guarantees."""

import asyncio
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from issuer.storage import Database, SQLiteDatabase, StorageError, Transaction, UniqueViolationError

INSERT = "INSERT INTO accounts (name, owner, created_at) VALUES ($1, $2, $3)"


@pytest.fixture
async def database(tmp_path: Path):
    database = SQLiteDatabase(tmp_path / "remit.db")
    yield database
    await database.close()


async def add(database: Database, name: str) -> None:
    await database.transaction(lambda tx: tx.execute(INSERT, name, "ana", 1))


async def names(database: Database) -> list[str]:
    rows = await database.read(lambda tx: tx.fetch("SELECT name FROM accounts ORDER BY id"))
    return [row["name"] for row in rows]


async def test_what_is_written_is_read(database: Database):
    """A committed row is in the next snapshot."""
    await add(database, "acme")
    assert await names(database) == ["acme"]


async def test_a_failed_unit_undoes_itself_alone(database: Database):
    """Units that share a commit fail alone."""

    async def fails(tx: Transaction) -> None:
        await tx.execute(INSERT, "half", "ana", 1)
        raise ValueError("no")

    units = [add(database, "one"), database.transaction(fails), add(database, "two")]
    outcome = await asyncio.gather(*units, return_exceptions=True)
    assert isinstance(outcome[1], ValueError)
    assert await names(database) == ["one", "two"]


async def test_a_second_row_with_the_same_key_is_a_unique_violation(database: Database):
    """Duplicates have an error of their own."""
    await add(database, "acme")
    with pytest.raises(UniqueViolationError):
        await add(database, "acme")


async def test_execute_tells_how_many_rows_changed(database: Database):
    """A conditional update can be seen to have missed."""
    await add(database, "acme")
    update = "UPDATE accounts SET owner = $2 WHERE name = $1"
    assert await database.transaction(lambda tx: tx.execute(update, "acme", "bo")) == 1
    assert await database.transaction(lambda tx: tx.execute(update, "other", "bo")) == 0


async def test_rows_are_counted_for_a_statement_that_begins_with_a_query(database: Database):
    """`WITH … UPDATE` tells its rows too."""
    await add(database, "acme")
    update = "WITH one AS (SELECT 'acme' AS name) UPDATE accounts SET owner = 'bo' WHERE name IN (SELECT name FROM one)"
    assert await database.transaction(lambda tx: tx.execute(update)) == 1


async def test_many_writers_are_serialized(database: Database):
    """Read-then-write in a unit loses no update among 100 at once."""

    async def bump(tx: Transaction) -> None:
        row = await tx.fetch_row("SELECT seq FROM status_head")
        assert row is not None
        await tx.execute("UPDATE status_head SET seq = $1", row["seq"] + 1)

    await asyncio.gather(*(database.transaction(bump) for _ in range(100)))
    row = await database.read(lambda tx: tx.fetch_row("SELECT seq FROM status_head"))
    assert row is not None
    assert row["seq"] == 100


async def test_a_read_cannot_write(database: Database):
    """The snapshot is read-only."""
    with pytest.raises(StorageError):
        await database.read(lambda tx: tx.execute(INSERT, "acme", "ana", 1))


async def test_a_unit_that_waits_for_something_else_is_refused(database: Database):
    """A unit of work may await only its transaction: it would hold up every writer."""

    async def sleeps(_: Transaction) -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="only its transaction"):
        await database.transaction(sleeps)


async def test_an_abandoned_wait_harms_nobody(database: Database):
    """A caller that was cancelled neither undoes its commit nor stops the writer."""
    task = asyncio.create_task(add(database, "acme"))
    await asyncio.sleep(0)
    task.cancel()
    await add(database, "other")
    assert "other" in await names(database)


async def test_a_closed_database_refuses(tmp_path: Path):
    """Nothing is accepted after close."""
    database = SQLiteDatabase(tmp_path / "remit.db")
    await database.close()
    with pytest.raises(StorageError, match="closed"):
        await add(database, "acme")


async def test_the_audit_log_cannot_be_changed(database: Database):
    """Rows of the audit log can be neither updated nor deleted."""
    insert = "INSERT INTO audit (at_ms, kind, outcome, actor, detail) VALUES ($1, $2, $3, $4, $5)"
    await database.transaction(lambda tx: tx.execute(insert, 1, "test", "allowed", "nobody", "{}"))
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit"):
        with pytest.raises(StorageError, match="append-only"):
            await database.transaction(lambda tx, sql=statement: tx.execute(sql))


async def test_a_second_issuer_on_the_file_is_refused(database: Database, tmp_path: Path):
    """One SQLite file has one owner."""
    with pytest.raises(StorageError) as caught:
        SQLiteDatabase(tmp_path / "remit.db")
    assert caught.value.code == "database_in_use"


async def test_the_files_are_private(database: Database, tmp_path: Path):
    """Database, log and lock are readable by their owner only."""
    await add(database, "acme")
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


async def test_a_newer_schema_is_refused(tmp_path: Path):
    """An older program does not touch a newer database."""
    path = tmp_path / "remit.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9999")
    connection.close()
    with pytest.raises(StorageError) as caught:
        SQLiteDatabase(path)
    assert caught.value.code == "database_too_new"


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    """Garbage in the file is an error with a hint, and the lock is given back."""
    path = tmp_path / "remit.db"
    path.write_bytes(os.urandom(8192))
    for _ in range(2):
        with pytest.raises(StorageError, match="not a database"):
            SQLiteDatabase(path)
