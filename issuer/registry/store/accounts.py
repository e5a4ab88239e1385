"""Accounts in the database."""

from collections.abc import Iterable

import msgspec

from issuer.registry.model import Account, Page
from issuer.registry.state import State
from issuer.storage import Row, Transaction
from issuer.storage.statements import filtered, in_list


class AccountRow(msgspec.Struct, frozen=True):
    """What others need of an account: its key, and what it lends to what is below it."""

    id: int
    name: str
    owner: str
    state: State


async def insert_accounts(tx: Transaction, accounts: Iterable[Account]) -> None:
    """Write new accounts."""
    await tx.execute_many(
        "INSERT INTO accounts (name, owner, contact, state, created_at) VALUES ($1, $2, $3, $4, $5)",
        ((new.name, new.owner, new.contact, new.state, new.created_at) for new in accounts),
    )


async def find_accounts(tx: Transaction, names: Iterable[str]) -> dict[str, AccountRow]:
    """The accounts by these names, as far as they exist."""
    wanted = sorted(set(names))
    sql = in_list("SELECT id, name, owner, state FROM accounts WHERE name IN", 1, len(wanted))
    rows = await tx.fetch(sql, *wanted)
    return {row["name"]: AccountRow(row["id"], row["name"], row["owner"], State(row["state"])) for row in rows}


async def read_account(tx: Transaction, name: str) -> Account | None:
    """One account, or None."""
    row = await tx.fetch_row("SELECT * FROM accounts WHERE name = $1", name)
    return None if row is None else _account(row)


async def list_accounts(tx: Transaction, page: Page, only: str | None) -> list[Account]:
    """A page of accounts by name; `only` that one for an operator who is limited to it."""
    sql, args = filtered(
        "SELECT * FROM accounts WHERE name > $1",
        (page.after, page.limit),
        [("name", only)],
        "ORDER BY name LIMIT $2",
    )
    return [_account(row) for row in await tx.fetch(sql, *args)]


def _account(row: Row) -> Account:
    return Account(
        name=row["name"],
        owner=row["owner"],
        contact=row["contact"],
        state=State(row["state"]),
        created_at=row["created_at"],
    )
