"""Sidecars and their join tokens in the database."""

from collections.abc import Iterable

import msgspec

from issuer.registry.model import Page, Sidecar
from issuer.registry.state import State
from issuer.storage import Transaction
from issuer.storage.statements import in_list


class SidecarRow(msgspec.Struct, frozen=True):
    """What others need of a sidecar."""

    id: int
    name: str
    state: State


async def insert_sidecar(tx: Transaction, name: str, now: int) -> None:
    """Write a new sidecar that has not joined yet."""
    await tx.execute("INSERT INTO sidecars (name, created_at) VALUES ($1, $2)", name, now)


async def find_sidecars(tx: Transaction, names: Iterable[str]) -> dict[str, SidecarRow]:
    """The sidecars by these names, as far as they exist."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    rows = await tx.fetch(in_list("SELECT id, name, state FROM sidecars WHERE name IN", 1, len(wanted)), *wanted)
    return {row["name"]: SidecarRow(row["id"], row["name"], State(row["state"])) for row in rows}


async def list_sidecars(tx: Transaction, page: Page) -> list[Sidecar]:
    """A page of sidecars by name."""
    rows = await tx.fetch("SELECT * FROM sidecars WHERE name > $1 ORDER BY name LIMIT $2", page.after, page.limit)
    return [
        Sidecar(
            name=row["name"],
            state=State(row["state"]),
            created_at=row["created_at"],
            joined_at=row["joined_at"],
            seen_at=row["seen_at"],
        )
        for row in rows
    ]


async def insert_join_token(
    tx: Transaction, digest: str, sidecar_id: int, *, created_by: str, now: int, expires_at: int
) -> None:
    """Write a join token, by its digest."""
    await tx.execute(
        "INSERT INTO join_tokens (digest, sidecar_id, created_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
        digest,
        sidecar_id,
        created_by,
        now,
        expires_at,
    )
