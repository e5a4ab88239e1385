"""The SQL of issuance: one read for all decisions of a batch, and the re-read that guards its record."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Struct

from issuer.issuance.chain import earliest
from issuer.issuance.model import Caller, Candidate, HeldGrant, HeldKey, Link, Node
from issuer.persons.model import PersonRow
from issuer.registry.state import State, StatusValue, effective
from issuer.status.model import StatusIndex
from issuer.storage import Row, Transaction, Value

_CHUNK: Final = 400
"""Most keys that one statement asks about."""

_decode_selectors: Final = msgspec.json.Decoder(frozenset[str]).decode

_CANDIDATES: Final = (
    "SELECT entries.id, entries.revision, entries.agent_id, entries.sidecar_id, entries.anchor, entries.selectors, "
    "entries.ttl_seconds, entries.bound, agents.path, accounts.name AS account FROM entries "
    "JOIN agents ON agents.id = entries.agent_id JOIN accounts ON accounts.id = agents.account_id "
    "WHERE entries.state = 'active' AND entries.anchor IN ({})"
)
_AGENTS: Final = (
    "SELECT agents.id, agents.path, agents.state, agents.revision, agents.parent_id, agents.account_id, "
    "accounts.name AS account, accounts.state AS account_state, accounts.revision AS account_revision "
    "FROM agents JOIN accounts ON accounts.id = agents.account_id WHERE agents.id IN ({})"
)
STANDING: Final = (
    "SELECT * FROM grants "
    "WHERE task IS NULL AND delegated = 0 AND person_id IS NULL AND state <> 'revoked' AND agent_id IN ({})"
)
OF_TASK: Final = (
    "SELECT * FROM grants WHERE agent_id = $1 AND task = $2 AND coalesce(person_id, 0) = $3 "
    "AND task IS NOT NULL AND delegated = 0"
)
OVER: Final = "SELECT min(state = 'revoked') AS over FROM grants WHERE agent_id = $1 AND task = $2 AND task IS NOT NULL AND delegated = 0"
OF_PERSON: Final = (
    "SELECT * FROM grants WHERE agent_id = $1 AND person_id = $2 AND parent_id = $3 "
    "AND task IS NULL AND delegated = 0 AND person_id IS NOT NULL"
)
DELEGATED: Final = (
    "SELECT * FROM grants WHERE agent_id = $1 AND parent_id = $2 AND coalesce(task, '') = $3 AND coalesce(person_id, 0) = $4 "
    "AND delegated = 1"
)
LINE: Final = (
    "WITH RECURSIVE line (id, above, height) AS (SELECT id, parent_id, 0 FROM grants WHERE id = $1 "
    "UNION ALL SELECT grants.id, grants.parent_id, line.height + 1 FROM line JOIN grants ON grants.id = line.above) "
    "SELECT grants.* FROM line JOIN grants ON grants.id = line.id ORDER BY line.height DESC"
)
"""A grant and all that are above it, the topmost first."""
OPEN_TASKS: Final = (
    "SELECT count(*) AS open FROM grants "
    "WHERE agent_id = $1 AND task IS NOT NULL AND state <> 'revoked' AND expires_at > $2"
)
"""The open grants of an agent's tasks, but for those that an operator gave no end; an index of its own has exactly these rows."""
LIVING: Final = "SELECT count(*) AS living FROM agents WHERE parent_id = $1 AND state <> 'revoked'"
ASSERTED: Final = (
    "SELECT count(*) AS living FROM agents WHERE account_id = (SELECT account_id FROM agents WHERE id = $1) "
    "AND path > $2 AND path < $3 AND parent_asserted = 1 AND state <> 'revoked'"
)
_KEYS: Final = (
    "SELECT id, jkt, agent_id, sidecar_id, revision FROM subject_keys WHERE state = 'active' AND agent_id IN ({})"
)
_KEY: Final = "SELECT id, jkt, sidecar_id, revision FROM subject_keys WHERE state = 'active' AND jkt = $1"
_SIDECARS: Final = "SELECT id, jkt, revision FROM sidecars WHERE state = 'active' AND id IN ({})"
_CURRENT: Final = "SELECT id, revision FROM {} WHERE state = 'active' AND id IN ({})"
_SUM: Final = "SELECT count(*) AS active, sum(revision) AS revisions FROM {} WHERE state = 'active' AND id IN ({})"

Chain = tuple[Node, ...]


class IssuedDetail(Struct, frozen=True):
    """The part of an issuance's record that a token is compared with."""

    kid: str
    exp: int
    audience: str
    task: str | None
    scope: msgspec.Raw
    status: tuple[int, int]
    jkt: str | None = None


class IssuedRecord(Struct, frozen=True):
    """What was recorded of a token that was issued.

    Attributes:
        actor: who got it.
        agent: whose it is, its full name.
        grant_id: whose authority it carries.
        detail: the rest.
    """

    actor: str
    agent: str
    grant_id: str
    detail: IssuedDetail


_decode_detail: Final = msgspec.json.Decoder(IssuedDetail).decode


async def candidates(tx: Transaction, selectors: Collection[str]) -> dict[str, list[Candidate]]:
    """The active entries that are looked up by one of `selectors`, by that selector."""
    found: dict[str, list[Candidate]] = {}
    for row in await _among(tx, _CANDIDATES, selectors):
        found.setdefault(row["anchor"], []).append(_candidate(row))
    return found


async def chains(tx: Transaction, agent_ids: Collection[int]) -> dict[int, Chain]:
    """For each agent its account, its ancestors and itself, read level by level."""
    rows: dict[int, Row] = {}
    missing: Collection[int] = agent_ids
    while missing:
        rows.update((row["id"], row) for row in await _among(tx, _AGENTS, missing))
        missing = {row["parent_id"] for row in rows.values() if row["parent_id"] is not None} - rows.keys()
    return {agent_id: _chain(agent_id, rows) for agent_id in agent_ids}


async def standing_grants(tx: Transaction, agent_ids: Collection[int]) -> dict[int, HeldGrant]:
    """The standing grant of each agent that has one which is not revoked."""
    return {row["agent_id"]: _grant(row, None) for row in await _among(tx, STANDING, agent_ids)}


async def task_grant(tx: Transaction, agent_id: int, task: str, person_id: int | None = None) -> HeldGrant | None:
    """The agent's own grant for a task, on behalf of a person if one is named, whatever its state."""
    return await _with_line(tx, await tx.fetch_row(OF_TASK, agent_id, task, person_id or 0))


async def task_is_over(tx: Transaction, agent_id: int, task: str) -> bool:
    """Whether the agent had grants for a task by itself, its own or on behalf of persons, and all of them are revoked."""
    row = await tx.fetch_row(OVER, agent_id, task)
    return row is not None and bool(row["over"])


async def person_grant(tx: Transaction, person_id: int, under: HeldGrant) -> HeldGrant | None:
    """The grant on behalf of a person, for no task, that was opened under a grant of the same agent, whatever its state."""
    return await _with_line(tx, await tx.fetch_row(OF_PERSON, under.agent_id, person_id, under.id))


async def delegated_grant(tx: Transaction, agent_id: int, under: HeldGrant, task: str | None) -> HeldGrant | None:
    """What a sub-agent was delegated from a grant, for a task or for none, on the same person's behalf, whatever its state."""
    row = await tx.fetch_row(DELEGATED, agent_id, under.id, task or "", under.person_id or 0)
    return await _with_line(tx, row)


async def grant_line(tx: Transaction, grant_id: str) -> HeldGrant | None:
    """A grant with all that are above it, or None."""
    above: HeldGrant | None = None
    for row in await tx.fetch(LINE, grant_id):
        above = _grant(row, above)
    return above


async def open_tasks(tx: Transaction, agent_id: int, now: int) -> int:
    """How many grants for tasks of the agent are open, of those that end by themselves."""
    row = await tx.fetch_row(OPEN_TASKS, agent_id, now)
    return 0 if row is None else int(row["open"])


async def active_keys(tx: Transaction, agent_ids: Collection[int]) -> dict[int, list[HeldKey]]:
    """The active keys of each agent: its own, or one for each sidecar that holds one for it."""
    found: dict[int, list[HeldKey]] = {}
    for row in await _among(tx, _KEYS, agent_ids):
        found.setdefault(row["agent_id"], []).append(_held_key(row))
    return found


async def active_key(tx: Transaction, jkt: str) -> HeldKey | None:
    """The active key with this thumbprint, whose ever it is, or None."""
    row = await tx.fetch_row(_KEY, jkt)
    return None if row is None else _held_key(row)


async def sidecars(tx: Transaction, callers: Collection[Caller]) -> dict[Caller, Link]:
    """Those of the callers that are sidecars, active, and known by the same key as when they asked."""
    rows = await _among(tx, _SIDECARS, {caller.sidecar_id for caller in callers if caller.sidecar_id is not None})
    links = {(row["id"], row["jkt"]): Link("sidecars", row["id"], row["revision"]) for row in rows}
    known = {caller: links.get((caller.sidecar_id, caller.sidecar_jkt)) for caller in callers}
    return {caller: link for caller, link in known.items() if link is not None}


def person_node(person: PersonRow) -> Node:
    """A person as a link of the chain of authority."""
    return Node(Link("persons", person.id, person.revision), person.state, "person")


async def sub_agent(tx: Transaction, parent_id: int, path: str) -> int | None:
    """The key of an agent's sub-agent by its path, or None."""
    row = await tx.fetch_row("SELECT id FROM agents WHERE parent_id = $1 AND path = $2", parent_id, path)
    return None if row is None else int(row["id"])


async def living_sub_agents(tx: Transaction, parent_id: int, path: str) -> tuple[int, int]:
    """How many sub-agents are not revoked: of an agent; and in all, by their parents' word, below the first agent above `path`."""
    first = path.partition("/")[0]
    rows = [await tx.fetch_row(LIVING, parent_id), await tx.fetch_row(ASSERTED, parent_id, f"{first}/", f"{first}0")]
    children, asserted = (0 if row is None else int(row["living"]) for row in rows)
    return children, asserted


async def status(tx: Transaction, index: StatusIndex) -> StatusValue:
    """What a status list says of an index; one that was never drawn is invalid."""
    row = await tx.fetch_row("SELECT value FROM status_indexes WHERE list = $1 AND idx = $2", index.list, index.idx)
    return StatusValue.INVALID if row is None else StatusValue(row["value"])


async def issued(tx: Transaction, jti: str) -> IssuedRecord | None:
    """What was recorded of the token with this id, or None."""
    row = await tx.fetch_row(
        "SELECT actor, agent, grant_id, detail FROM audit WHERE jti = $1 AND kind = 'issuance' AND outcome = 'allowed'",
        jti,
    )
    if row is None:
        return None
    return IssuedRecord(row["actor"], row["agent"], row["grant_id"], _decode_detail(row["detail"]))


async def changed(tx: Transaction, links: Collection[Link]) -> frozenset[Link]:
    """Those of `links` that are not active any more, or were changed since they were read."""
    by_table: dict[str, list[Link]] = {}
    for link in links:
        by_table.setdefault(link.table, []).append(link)
    found: set[Link] = set()
    for table, rests_on in by_table.items():
        if not await _unchanged(tx, table, rests_on):
            found |= set(rests_on) - await _current(tx, table, rests_on)
    return frozenset(found)


async def _unchanged(tx: Transaction, table: str, links: Collection[Link]) -> bool:
    """Whether all of `links` stand, in one row: as many are active, and as no revision ever falls, their sum is the same."""
    sums = await _among(tx, _SUM.format(table, "{}"), {link.id for link in links})
    active = sum(row["active"] for row in sums)
    revisions = sum(row["revisions"] or 0 for row in sums)
    return (active, revisions) == (len(links), sum(link.revision for link in links))


async def _current(tx: Transaction, table: str, links: Collection[Link]) -> set[Link]:
    """The active things of `links`, as they are now."""
    rows = await _among(tx, _CURRENT.format(table, "{}"), {link.id for link in links})
    return {Link(table, row["id"], row["revision"]) for row in rows}


async def key_may_sign(tx: Transaction, kid: str, expires_at: int) -> bool:
    """Whether a key is still trusted, and published until `expires_at`."""
    row = await tx.fetch_row("SELECT state, retires_at FROM signing_keys WHERE kid = $1", kid)
    if row is None or row["state"] != "active":
        return False
    return row["retires_at"] is None or expires_at <= row["retires_at"]


async def _among(
    tx: Transaction, sql: str, keys: Collection[int] | Collection[str] | Collection[int | str]
) -> list[Row]:
    """Run `sql`, whose `{}` takes placeholders, for `keys`; a few sizes only, so that statements are prepared once."""
    rows: list[Row] = []
    ordered: list[Value] = list(keys)
    for start in range(0, len(ordered), _CHUNK):
        chunk = ordered[start : start + _CHUNK]
        size = min(_CHUNK, 1 << (len(chunk) - 1).bit_length())
        rows += await tx.fetch(sql.format(_places(size)), *chunk, *chunk[-1:] * (size - len(chunk)))
    return rows


@lru_cache(maxsize=16)
def _places(size: int) -> str:
    return ", ".join(f"${place}" for place in range(1, size + 1))


def _held_key(row: Row) -> HeldKey:
    return HeldKey(Link("subject_keys", row["id"], row["revision"]), row["jkt"], row["sidecar_id"])


def _candidate(row: Row) -> Candidate:
    return Candidate(
        link=Link("entries", row["id"], row["revision"]),
        agent_id=row["agent_id"],
        agent=f"{row['account']}/{row['path']}",
        sidecar_id=row["sidecar_id"],
        selectors=_decode_selectors(row["selectors"]),
        ttl_seconds=row["ttl_seconds"],
        bound=bool(row["bound"]),
    )


def _chain(agent_id: int, rows: Mapping[int, Row]) -> Chain:
    own = rows[agent_id]
    chain: list[Node] = []
    above: int | None = agent_id
    while above is not None:
        row = rows[above]
        chain.append(
            Node(Link("agents", above, row["revision"]), State(row["state"]), f"agent {row['account']}/{row['path']}")
        )
        above = row["parent_id"]
    account = Link("accounts", own["account_id"], own["account_revision"])
    chain.append(Node(account, State(own["account_state"]), f"account {own['account']}"))
    return tuple(reversed(chain))


async def _with_line(tx: Transaction, row: Row | None) -> HeldGrant | None:
    if row is None:
        return None
    return _grant(row, None if row["parent_id"] is None else await grant_line(tx, row["parent_id"]))


def _grant(row: Row, opener: HeldGrant | None) -> HeldGrant:
    has_index = row["status_index"] is not None
    return HeldGrant(
        id=row["id"],
        link=Link("grants", row["id"], row["revision"]),
        agent_id=row["agent_id"],
        task=row["task"],
        scope=row["scope"],
        funding=row["funding"],
        owner=row["owner"],
        ends_at=row["expires_at"] if opener is None else earliest(row["expires_at"], opener.ends_at),
        index=StatusIndex(row["status_list"], row["status_index"]) if has_index else None,
        state=State(row["state"]) if opener is None else effective((State(row["state"]), opener.state)),
        opener=opener,
        person_id=row["person_id"],
    )
