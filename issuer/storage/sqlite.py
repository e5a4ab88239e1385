"""The embedded driver: SQLite in WAL mode, one writer thread with group commit, reads on a snapshot.

Durability: `synchronous=FULL`, and a unit of work is answered only after the commit that holds it. One process owns the
file: a second one is refused by a lock on a file beside it, which the kernel frees when the owner dies.
"""

import fcntl
import os
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import sqlite_utils

from issuer.storage.migrations import migrate
from issuer.storage.port import Row, StorageError, Transaction, UniqueViolationError, Value
from issuer.storage.writer import CommitLostError, Writer, run_to_completion

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

_PRAGMAS = (
    "synchronous = FULL",
    "foreign_keys = ON",
    "busy_timeout = 5000",
    "trusted_schema = OFF",
    "temp_store = MEMORY",
)
# A large cache and rare checkpoints: bulk imports write whole pages once, not row by row.
_WRITER_PRAGMAS = ("journal_mode = WAL", "wal_autocheckpoint = 8000", "cache_size = -32768")
_UNIQUE = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)


class SQLiteDatabase:
    """The `Database` port on one SQLite file."""

    def __init__(self, path: Path) -> None:
        """Open the file at `path`, creating it (mode 0600) and bringing its schema up to date.

        Raises:
            StorageError: another issuer has it open, it is newer than this program, or it is not a database.
        """
        self._lock = _own(path)
        try:
            with _translated():
                self._write_connection = _connect(path)
                for pragma in _WRITER_PRAGMAS:
                    self._write_connection.execute(f"PRAGMA {pragma}")
                migrate(self._write_connection)
                self._read_connection = _connect(path)
                self._read_connection.execute("PRAGMA query_only = ON")
        except BaseException:
            os.close(self._lock)
            raise
        self._reader = _SQLiteTransaction(self._read_connection)
        self._writer = Writer(_Commits(self._write_connection), _SQLiteTransaction(self._write_connection))

    async def transaction(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """See `Database.transaction`."""
        return await self._writer.submit(work)

    async def read(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """See `Database.read`. Runs in place: a page-cached read is cheaper than a hop to another thread."""
        with _translated():
            self._read_connection.execute("BEGIN")
            try:
                return run_to_completion(work(self._reader))
            finally:
                self._read_connection.execute("COMMIT")

    async def now(self) -> int:
        """See `Database.now`."""
        with _translated():
            return int(self._read_connection.execute("SELECT unixepoch()").fetchone()[0])

    async def close(self) -> None:
        """See `Database.close`."""
        await self._writer.close()
        self._read_connection.close()
        self._write_connection.close()
        os.close(self._lock)


class _SQLiteTransaction:
    """The `Transaction` port on one connection. Its coroutines never suspend."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def fetch(self, sql: str, *args: Value) -> Sequence[Row]:
        with _translated():
            return self._connection.execute(_dialect(sql), args).fetchall()

    async def fetch_row(self, sql: str, *args: Value) -> Row | None:
        with _translated():
            row: Row | None = self._connection.execute(_dialect(sql), args).fetchone()
            return row

    async def execute(self, sql: str, *args: Value) -> int:
        with _translated():
            changed = self._connection.execute(_dialect(sql), args).rowcount
            if changed < 0:  # the module does not count for a statement that begins with WITH
                changed = self._connection.execute("SELECT changes()").fetchone()[0]
            return changed

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        with _translated():
            self._connection.executemany(_dialect(sql), rows)

    async def now_ms(self) -> int:
        with _translated():
            row = self._connection.execute("SELECT round((julianday('now') - 2440587.5) * 86400000)").fetchone()
            return int(row[0])


class _Commits:
    """How the writer begins and ends a commit, and a unit of work within it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._connection = connection

    def begin(self) -> None:
        with _translated():
            self._execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        with _translated():
            self._execute("COMMIT")

    def rollback(self) -> None:
        with _translated():
            if self._connection.in_transaction:
                self._execute("ROLLBACK")

    @contextmanager
    def unit(self) -> "Iterator[None]":
        with _translated():
            self._execute("SAVEPOINT unit")
            try:
                yield
            except BaseException as error:
                self._undo_unit(error)
                raise
            self._execute("RELEASE unit")

    def _undo_unit(self, error: BaseException) -> None:
        if not self._connection.in_transaction:  # a full disk, for one, makes SQLite undo everything by itself
            raise CommitLostError("the database gave up a commit", hint="check the disk") from error
        self._execute("ROLLBACK TO unit")
        self._execute("RELEASE unit")


@lru_cache(maxsize=1024)
def _dialect(sql: str) -> str:
    return re.sub(r"\$(\d+)", r"?\1", sql)


@contextmanager
def _translated() -> "Iterator[None]":
    """Let only the port's errors out. SQLite's own text names columns, never values."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode in _UNIQUE:
            raise UniqueViolationError("a row with this key exists already") from error
        raise StorageError(f"the database refused a row: {error}") from error
    except sqlite3.Error as error:
        raise StorageError(f"the database failed: {error}", hint="check the disk and the data folder") from error


def _own(path: Path) -> int:
    """Take the lock that makes this process the only one on `path`."""
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise StorageError(
                f"another issuer has {path} open",
                code="database_in_use",
                hint="stop it first; several issuers share a PostgreSQL database, not a SQLite file",
            ) from None
        raise StorageError(f"cannot open {path}: {error.strerror}", hint="check that the file is yours") from error
    return descriptor


def _connect(path: Path) -> sqlite3.Connection:
    # sqlite-utils 4 wants plain transaction control: isolation_level=None leaves BEGIN and COMMIT to us.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    connection.row_factory = sqlite3.Row
    database = sqlite_utils.Database(connection)
    for pragma in _PRAGMAS:
        database.execute(f"PRAGMA {pragma}")
    return connection
