"""Registering and deleting registration entries."""

from collections.abc import Sequence

from issuer.audit.model import AuditRecord
from issuer.audit.store import append, append_many
from issuer.changes import Change
from issuer.errors import ConflictError, NotFoundError
from issuer.registry.accounts import living_agents
from issuer.registry.identifiers import new_entry_id
from issuer.registry.model import Entry
from issuer.registry.names import require_living
from issuer.registry.requests import NewEntry, parse_agent
from issuer.registry.selectors import check_selectors
from issuer.registry.state import State
from issuer.registry.store.entries import (
    delete_entry,
    encode_selectors,
    existing_entries,
    insert_entries,
    read_entry,
    touch_agents,
)
from issuer.registry.store.sidecars import SidecarRow, find_sidecars
from issuer.storage import Transaction


async def register_entries(tx: Transaction, change: Change, requests: Sequence[NewEntry]) -> list[Entry]:
    """Register entries.

    Raises:
        NotFoundError: an agent or a sidecar is not there.
        ConflictError: an agent or a sidecar is revoked, or the agent has an entry of these selectors and this sidecar.
    """
    names = [parse_agent(request.agent) for request in requests]
    agents = await living_agents(tx, set(names))
    sidecars = await _living_sidecars(tx, {request.sidecar for request in requests if request.sidecar is not None})
    existing = await existing_entries(tx, (agent.id for agent in agents.values()))
    rows: list[tuple[Entry, int, int | None]] = []
    for name, request in zip(names, requests, strict=True):
        entry = _entry(request, change.now)
        agent_id, sidecar_id = agents[name].id, None if request.sidecar is None else sidecars[request.sidecar].id
        key = (agent_id, encode_selectors(entry.selectors), sidecar_id)
        if key in existing:
            raise ConflictError(f"entry {existing[key]} of agent {name} has the same selectors and sidecar already")
        existing[key] = entry.id
        rows.append((entry, agent_id, sidecar_id))
    await insert_entries(tx, rows)
    await touch_agents(tx, (agent_id for _, agent_id, _ in rows))
    entries = [entry for entry, _, _ in rows]
    await append_many(tx, (_record(change, "entry.create", entry) for entry in entries))
    return entries


async def remove_entry(tx: Transaction, change: Change, entry_id: str) -> Entry:
    """Delete an entry: from now on it matches nothing. Tokens that it led to live on until they expire or are revoked.

    Raises:
        NotFoundError: it is not there, or deleted already.
    """
    entry = await read_entry(tx, entry_id)
    if entry is None or entry.state is State.REVOKED:
        raise NotFoundError("there is no such entry")
    await delete_entry(tx, entry_id)
    await append(tx, _record(change, "entry.delete", entry))
    return entry


async def _living_sidecars(tx: Transaction, names: set[str]) -> dict[str, SidecarRow]:
    found = await find_sidecars(tx, names)
    states = {name: row.state for name, row in found.items()}
    require_living("sidecar", names, states, missing="make its join token first")
    return found


def _entry(request: NewEntry, now: int) -> Entry:
    return Entry(
        id=new_entry_id(now),
        agent=request.agent,
        selectors=check_selectors(request.selectors),
        sidecar=request.sidecar,
        ttl_seconds=request.ttl_seconds,
        bound=request.bound,
        state=State.ACTIVE,
        created_at=now,
    )


def _record(change: Change, kind: str, entry: Entry) -> AuditRecord:
    detail: dict[str, object] = {"entry": entry.id, "selectors": entry.selectors, "sidecar": entry.sidecar}
    detail |= {"bound": True} if entry.bound else {}
    return change.record(kind, detail, account=entry.agent.partition("/")[0], agent=entry.agent)
