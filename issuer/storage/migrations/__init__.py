"""The schema, as numbered, forward-only SQL files; `user_version` says how far a database is."""

import sqlite3
from importlib import resources

from issuer.storage.port import StorageError


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema of `connection` up to date, one transaction a step.

    Raises:
        StorageError: the database was written by a newer program.
    """
    steps = _steps()
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(steps):
        raise StorageError(
            f"the database is at schema {version}, this program knows {len(steps)}",
            code="database_too_new",
            hint="run the newer program, or restore a backup that this one wrote",
        )
    for number, sql in enumerate(steps[version:], start=version + 1):
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _steps() -> list[str]:
    files = sorted(f.name for f in resources.files(__name__).iterdir() if f.name.endswith(".sql"))
    return [resources.files(__name__).joinpath(name).read_text(encoding="utf-8") for name in files]
