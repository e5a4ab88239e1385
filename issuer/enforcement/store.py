"""Verifiers and what came of changes in the database."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from issuer.enforcement.following import Verifier
from issuer.enforcement.model import CommittedChange, OnStale, Recorded, Registration, Settlement
from issuer.errors import UnauthenticatedError
from issuer.registry.state import State
from issuer.storage import Row, Transaction

_ALL_VERIFIERS: Final = (
    "SELECT verifiers.*, providers.name AS provider FROM verifiers JOIN providers ON providers.id = provider_id "
    "WHERE providers.state = 'active' ORDER BY instance"
)


class ProviderRow(msgspec.Struct, frozen=True):
    """What decides whether a provider's verifiers count: its state, and a revision that grows with it and its credential."""

    state: State
    revision: int


async def upsert_verifier(
    tx: Transaction, provider: str, request: Registration, *, enforced_seq: int, now_ms: int
) -> None:
    """Write a registration.

    Raises:
        UnauthenticatedError: the provider is not active any more.
    """
    written = await tx.execute(
        "INSERT INTO verifiers "
        "(instance, provider_id, name, bound_ms, on_stale, enforced_seq, registered_at_ms, seen_at_ms) "
        "SELECT $1, id, $3, $4, $5, $6, $7, $7 FROM providers WHERE name = $2 AND state = 'active' "
        "ON CONFLICT (instance) DO UPDATE SET name = $3, bound_ms = $4, on_stale = $5, enforced_seq = $6, seen_at_ms = $7",
        request.instance,
        provider,
        request.name,
        request.bound_ms,
        request.on_stale.value,
        enforced_seq,
        now_ms,
    )
    if not written:
        raise UnauthenticatedError("the provider is not active any more")


async def write_progress(tx: Transaction, progress: Iterable[tuple[str, int, int]]) -> None:
    """Write what verifiers enforce: instance, sequence number, and when each was seen."""
    await tx.execute_many("UPDATE verifiers SET enforced_seq = $2, seen_at_ms = $3 WHERE instance = $1", progress)


async def delete_verifiers(tx: Transaction, instances: Iterable[str]) -> None:
    """Forget verifiers."""
    await tx.execute_many("DELETE FROM verifiers WHERE instance = $1", ((instance,) for instance in instances))


async def delete_verifiers_of_stopped(tx: Transaction) -> None:
    """Forget the verifiers of providers that are not active."""
    await tx.execute("DELETE FROM verifiers WHERE provider_id IN (SELECT id FROM providers WHERE state <> 'active')")


async def all_verifiers(tx: Transaction) -> list[Verifier]:
    """Every registered verifier of an active provider."""
    return [_verifier(row) for row in await tx.fetch(_ALL_VERIFIERS)]


async def provider_rows(tx: Transaction) -> dict[str, ProviderRow]:
    """Every provider, by name."""
    rows = await tx.fetch("SELECT name, state, revision FROM providers")
    return {row["name"]: ProviderRow(State(row["state"]), row["revision"]) for row in rows}


async def changes_after(tx: Transaction, seq: int) -> list[CommittedChange]:
    """The changes with higher numbers, in their order."""
    return _changes(await tx.fetch("SELECT * FROM status_changes WHERE seq > $1 ORDER BY seq", seq))


async def unsettled_changes(tx: Transaction) -> list[CommittedChange]:
    """The changes whose outcome is not on record, in their order."""
    return _changes(await tx.fetch("SELECT * FROM status_changes WHERE enforced IS NULL ORDER BY seq"))


async def read_change(tx: Transaction, seq: int) -> Recorded | None:
    """One change; None where the number stands for none."""
    row = await tx.fetch_row("SELECT * FROM status_changes WHERE seq = $1", seq)
    return None if row is None else Recorded(_change(row), row["enforced"] is not None)


async def settle(tx: Transaction, seq: int, settlement: Settlement) -> bool:
    """Write what came of a change; False when that is on record already."""
    written = await tx.execute(
        "UPDATE status_changes SET enforced = $2, silent = $3, enforced_ms = $4 WHERE seq = $1 AND enforced IS NULL",
        seq,
        settlement.enforced,
        settlement.silent,
        settlement.enforced_ms,
    )
    return written == 1


def _changes(rows: Sequence[Row]) -> list[CommittedChange]:
    return [_change(row) for row in rows]


def _change(row: Row) -> CommittedChange:
    return CommittedChange(
        seq=row["seq"],
        verb=row["verb"],
        what=row["what"],
        account=row["account"],
        requested_at_ms=row["requested_at_ms"],
        committed_at_ms=row["committed_at_ms"],
    )


def _verifier(row: Row) -> Verifier:
    return Verifier(
        instance=row["instance"],
        provider=row["provider"],
        name=row["name"],
        bound_ms=row["bound_ms"],
        on_stale=OnStale(row["on_stale"]),
        enforced=row["enforced_seq"],
        registered_at_ms=row["registered_at_ms"],
        seen_at_ms=row["seen_at_ms"],
    )
