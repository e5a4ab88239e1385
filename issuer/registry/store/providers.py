"""Providers in the database."""

import msgspec

from issuer.registry.model import Page, Provider
from issuer.registry.state import State
from issuer.storage import Row, Transaction


async def insert_provider(tx: Transaction, provider: Provider, digest: str) -> None:
    """Write a new provider, with the digest of its credential."""
    await tx.execute(
        "INSERT INTO providers (name, owner, audiences, digest, state, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        provider.name,
        provider.owner,
        msgspec.json.encode(provider.audiences).decode(),
        digest,
        provider.state.value,
        provider.created_at,
    )


async def replace_credential(tx: Transaction, name: str, digest: str) -> None:
    """Give a provider another credential; the one before stops working."""
    await tx.execute("UPDATE providers SET digest = $2, revision = revision + 1 WHERE name = $1", name, digest)


async def set_provider_state(tx: Transaction, name: str, state: State) -> None:
    """Write a state; the revision grows, by which those who serve the provider see that something changed."""
    await tx.execute("UPDATE providers SET state = $2, revision = revision + 1 WHERE name = $1", name, state.value)


async def read_provider(tx: Transaction, name: str) -> Provider | None:
    """One provider, or None."""
    row = await tx.fetch_row("SELECT * FROM providers WHERE name = $1", name)
    return None if row is None else _provider(row)


async def provider_by_digest(tx: Transaction, digest: str) -> Provider | None:
    """The provider whose credential has this digest, or None."""
    row = await tx.fetch_row("SELECT * FROM providers WHERE digest = $1", digest)
    return None if row is None else _provider(row)


async def list_providers(tx: Transaction, page: Page) -> list[Provider]:
    """A page of providers by name."""
    rows = await tx.fetch("SELECT * FROM providers WHERE name > $1 ORDER BY name LIMIT $2", page.after, page.limit)
    return [_provider(row) for row in rows]


def _provider(row: Row) -> Provider:
    return Provider(
        name=row["name"],
        owner=row["owner"],
        audiences=msgspec.json.decode(row["audiences"], type=tuple[str, ...]),
        state=State(row["state"]),
        created_at=row["created_at"],
    )
