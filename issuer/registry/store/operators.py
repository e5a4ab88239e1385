"""Operators in the database."""

from issuer.registry.model import Page
from issuer.registry.roles import Operator, Role
from issuer.registry.state import State
from issuer.storage import Row, Transaction

_SELECT = "SELECT operators.*, accounts.name AS account FROM operators LEFT JOIN accounts ON accounts.id = account_id"


async def insert_operator(tx: Transaction, operator: Operator, account_id: int | None, digest: str) -> None:
    """Write a new operator, with the digest of the credential."""
    await tx.execute(
        "INSERT INTO operators (name, role, account_id, digest, state, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        operator.name,
        operator.role.value,
        account_id,
        digest,
        operator.state.value,
        operator.created_at,
    )


async def replace_digest(tx: Transaction, name: str, digest: str) -> None:
    """Give an operator another credential; the one before stops working."""
    await tx.execute("UPDATE operators SET digest = $2 WHERE name = $1", name, digest)


async def read_operator(tx: Transaction, name: str) -> Operator | None:
    """One operator, or None."""
    row = await tx.fetch_row(f"{_SELECT} WHERE operators.name = $1", name)
    return None if row is None else _operator(row)


async def operator_by_digest(tx: Transaction, digest: str) -> Operator | None:
    """The operator whose credential has this digest, or None."""
    row = await tx.fetch_row(f"{_SELECT} WHERE operators.digest = $1", digest)
    return None if row is None else _operator(row)


async def list_operators(tx: Transaction, page: Page) -> list[Operator]:
    """A page of operators by name."""
    rows = await tx.fetch(
        f"{_SELECT} WHERE operators.name > $1 ORDER BY operators.name LIMIT $2", page.after, page.limit
    )
    return [_operator(row) for row in rows]


def _operator(row: Row) -> Operator:
    return Operator(
        name=row["name"],
        role=Role(row["role"]),
        account=row["account"],
        state=State(row["state"]),
        created_at=row["created_at"],
    )
