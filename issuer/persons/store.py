"""The SQL of persons."""

from issuer.persons.model import PersonRow
from issuer.registry.state import State
from issuer.storage import Row, Transaction


async def find_person(tx: Transaction, digest: str) -> PersonRow | None:
    """The person with this digest, or None."""
    row = await tx.fetch_row("SELECT id, digest, state, revision FROM persons WHERE digest = $1", digest)
    return None if row is None else _person(row)


async def read_person(tx: Transaction, person_id: int) -> PersonRow | None:
    """The person with this key, or None."""
    row = await tx.fetch_row("SELECT id, digest, state, revision FROM persons WHERE id = $1", person_id)
    return None if row is None else _person(row)


async def ensure_person(tx: Transaction, digest: str, now: int) -> PersonRow:
    """The person with this digest; one who was never heard of is active from now on."""
    found = await find_person(tx, digest)
    if found is not None:
        return found
    row = await tx.fetch_row(
        "INSERT INTO persons (digest, created_at) VALUES ($1, $2) RETURNING id, digest, state, revision", digest, now
    )
    if row is None:
        raise RuntimeError("a row that was inserted is returned")
    return _person(row)


def _person(row: Row) -> PersonRow:
    return PersonRow(row["id"], row["digest"], State(row["state"]), row["revision"])
