"""Storage: one port, a transaction with group commit; the embedded SQLite driver behind it.

Each domain folder holds its own SQL (`store.py`) and runs it through this port.
"""

from issuer.storage.port import Database, Row, StorageError, Transaction, UniqueViolationError, Value
from issuer.storage.sqlite import SQLiteDatabase

__all__ = ["Database", "Row", "SQLiteDatabase", "StorageError", "Transaction", "UniqueViolationError", "Value"]
