"""Registration entries in the database."""

from collections.abc import Iterable

import msgspec

from issuer.registry.model import Entry, Page
from issuer.registry.selectors import anchor
from issuer.registry.state import State
from issuer.storage import Row, Transaction
from issuer.storage.statements import filtered, in_list

_SELECT = (
    "SELECT entries.*, accounts.name AS account, agents.path AS path, sidecars.name AS sidecar "
    "FROM entries JOIN agents ON agents.id = entries.agent_id JOIN accounts ON accounts.id = agents.account_id "
    "LEFT JOIN sidecars ON sidecars.id = entries.sidecar_id"
)

EntryKey = tuple[int, str, int | None]
"""What makes two entries the same: agent, selectors (as stored), sidecar."""


async def insert_entries(tx: Transaction, entries: Iterable[tuple[Entry, int, int | None]]) -> None:
    """Write new entries, each with the keys of its agent and of its sidecar."""
    await tx.execute_many(
        "INSERT INTO entries (id, agent_id, sidecar_id, anchor, selectors, ttl_seconds, bound, state, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        (
            (
                new.id,
                agent_id,
                sidecar_id,
                anchor(new.selectors),
                encode_selectors(new.selectors),
                new.ttl_seconds,
                int(new.bound),
                new.state,
                new.created_at,
            )
            for new, agent_id, sidecar_id in entries
        ),
    )


async def touch_agents(tx: Transaction, agent_ids: Iterable[int]) -> None:
    """Let the revision of agents grow: what entitles to them has changed, so what was decided before is decided anew."""
    sql = "UPDATE agents SET revision = revision + 1 WHERE id = $1"
    await tx.execute_many(sql, ((agent_id,) for agent_id in sorted(set(agent_ids))))


async def existing_entries(tx: Transaction, agent_ids: Iterable[int]) -> dict[EntryKey, str]:
    """The entries of these agents that are not deleted, and their ids."""
    wanted = sorted(set(agent_ids))
    sql = in_list(
        "SELECT id, agent_id, selectors, sidecar_id FROM entries WHERE state <> 'revoked' AND agent_id IN",
        1,
        len(wanted),
    )
    rows = await tx.fetch(sql, *wanted)
    return {(row["agent_id"], row["selectors"], row["sidecar_id"]): row["id"] for row in rows}


async def read_entry(tx: Transaction, entry_id: str) -> Entry | None:
    """One entry, or None."""
    row = await tx.fetch_row(f"{_SELECT} WHERE entries.id = $1", entry_id)
    return None if row is None else _entry(row)


async def list_entries(
    tx: Transaction, page: Page, *, account: str | None, agent: tuple[str, str] | None, sidecar: str | None
) -> list[Entry]:
    """A page of entries that are not deleted, oldest first; of one account, agent (account, path) or sidecar if given."""
    account_name, path = agent or (None, None)
    sql, args = filtered(
        f"{_SELECT} WHERE entries.id > $1 AND entries.state <> 'revoked'",
        (page.after, page.limit),
        [
            ("accounts.name", account),
            ("accounts.name", account_name),
            ("agents.path", path),
            ("sidecars.name", sidecar),
        ],
        "ORDER BY entries.id LIMIT $2",
    )
    return [_entry(row) for row in await tx.fetch(sql, *args)]


async def delete_entry(tx: Transaction, entry_id: str) -> None:
    """Mark an entry as revoked: it matches nothing from now on. Its row stays, for the records that name it."""
    await tx.execute("UPDATE entries SET state = 'revoked', revision = revision + 1 WHERE id = $1", entry_id)


def encode_selectors(selectors: tuple[str, ...]) -> str:
    """The stored form of sorted selectors."""
    return msgspec.json.encode(selectors).decode()


def _entry(row: Row) -> Entry:
    return Entry(
        id=row["id"],
        agent=f"{row['account']}/{row['path']}",
        selectors=msgspec.json.decode(row["selectors"], type=tuple[str, ...]),
        sidecar=row["sidecar"],
        ttl_seconds=row["ttl_seconds"],
        bound=bool(row["bound"]),
        state=State(row["state"]),
        created_at=row["created_at"],
    )
