"""The SQL of DIDs: what is known of a subject, histories, and what they do not say yet."""

from collections.abc import Sequence

import msgspec

from issuer.did.model import Facts, Subject
from issuer.did.writing import parse_entry
from issuer.registry.state import State, effective
from issuer.registry.store.chain import states_to
from issuer.storage import Transaction
from remit.ids import AgentName
from remit.webvh.entry import LogEntry


class PendingChange(msgspec.Struct, frozen=True):
    """A row of what histories do not say yet; see the schema.

    Attributes:
        id: rows of one subject are worked off in this order.
        subject: its name.
        at: when it changed, unix seconds.
        facts: what it was then; None: look at everything at and below it.
        done_to: without facts, the last subject below that was looked at.
    """

    id: int
    subject: str
    at: int
    facts: Facts | None
    done_to: str | None


async def read_facts(tx: Transaction, subject: Subject) -> Facts | None:
    """What `subject` is now; None when there is none by that name."""
    if isinstance(subject, AgentName):
        row = await tx.fetch_row(
            "SELECT agents.id FROM agents JOIN accounts ON accounts.id = agents.account_id "
            "WHERE accounts.name = $1 AND agents.path = $2",
            subject.account,
            subject.path,
        )
        return (
            None if row is None else Facts(effective(await states_to(tx, row["id"])), await _keys(tx, agent=row["id"]))
        )
    row = await tx.fetch_row("SELECT id, state FROM accounts WHERE name = $1", subject.name)
    return None if row is None else Facts(State(row["state"]), await _keys(tx, account=row["id"]))


async def last_entry(tx: Transaction, subject: Subject) -> LogEntry | None:
    """The last entry of a history; None when it has not begun."""
    row = await tx.fetch_row("SELECT entry FROM did_log WHERE subject = $1 ORDER BY version DESC LIMIT 1", str(subject))
    return None if row is None else parse_entry(row["entry"])


async def last_version(tx: Transaction, subject: Subject) -> int:
    """The number of a history's last version; 0 when it has not begun."""
    row = await tx.fetch_row(
        "SELECT coalesce(max(version), 0) AS version FROM did_log WHERE subject = $1", str(subject)
    )
    return 0 if row is None else int(row["version"])


async def history_lines(tx: Transaction, subject: Subject) -> list[str]:
    """The entries of a history, oldest first."""
    rows = await tx.fetch("SELECT entry FROM did_log WHERE subject = $1 ORDER BY version", str(subject))
    return [row["entry"] for row in rows]


async def history_ends(tx: Transaction, subject: Subject) -> list[str]:
    """The first and the last entry of a history; one if they are the same, none when it has not begun."""
    rows = await tx.fetch(
        "SELECT entry FROM did_log WHERE subject = $1 "
        "AND version IN (1, (SELECT max(version) FROM did_log WHERE subject = $1)) ORDER BY version",
        str(subject),
    )
    return [row["entry"] for row in rows]


async def scid_of(tx: Transaction, subject: str) -> str | None:
    """The SCID of a subject's history; None when it has not begun."""
    row = await tx.fetch_row("SELECT entry FROM did_log WHERE subject = $1 AND version = 1", subject)
    return None if row is None else str(parse_entry(row["entry"]).parameters["scid"])


async def append_entry(tx: Transaction, subject: Subject, entry: LogEntry) -> None:
    """Write the next entry of a history."""
    await tx.execute(
        "INSERT INTO did_log (subject, version, entry, created_at) VALUES ($1, $2, $3, $4)",
        str(subject),
        entry.number,
        entry.line(),
        entry.at,
    )


async def add_change(tx: Transaction, subject: str, at: int, facts: Facts | None) -> None:
    """Leave a change for the history of `subject`."""
    text = None if facts is None else msgspec.json.encode(facts).decode()
    await tx.execute("INSERT INTO did_changes (subject, at, facts) VALUES ($1, $2, $3)", subject, at, text)


async def first_changes(tx: Transaction, limit: int) -> Sequence[PendingChange]:
    """The changes that have waited longest, of any subject."""
    rows = await tx.fetch("SELECT * FROM did_changes ORDER BY id LIMIT $1", limit)
    return [PendingChange(row["id"], row["subject"], row["at"], _facts(row["facts"]), row["done_to"]) for row in rows]


async def changes_of(tx: Transaction, subject: Subject) -> Sequence[PendingChange]:
    """The changes of one subject whose facts are known, in order."""
    rows = await tx.fetch(
        "SELECT * FROM did_changes WHERE subject = $1 AND facts IS NOT NULL ORDER BY id", str(subject)
    )
    return [PendingChange(row["id"], row["subject"], row["at"], _facts(row["facts"]), None) for row in rows]


async def remove_changes(tx: Transaction, subject: Subject, up_to: int) -> None:
    """Forget the changes of one subject that its history says by now."""
    await tx.execute(
        "DELETE FROM did_changes WHERE subject = $1 AND id <= $2 AND facts IS NOT NULL", str(subject), up_to
    )


async def remove_change(tx: Transaction, change_id: int) -> None:
    """Forget a change without facts, when everything below was looked at."""
    await tx.execute("DELETE FROM did_changes WHERE id = $1", change_id)


async def set_done_to(tx: Transaction, change_id: int, done_to: str) -> None:
    """Remember how far below was looked at."""
    await tx.execute("UPDATE did_changes SET done_to = $2 WHERE id = $1", change_id, done_to)


async def histories_below(tx: Transaction, subject: str, after: str, limit: int) -> Sequence[str]:
    """The subjects below `subject` that have a history, by name, after the name `after`."""
    rows = await tx.fetch(
        "SELECT subject FROM did_log WHERE version = 1 AND subject > $1 AND subject < $2 ORDER BY subject LIMIT $3",
        max(after, f"{subject}/"),
        f"{subject}0",  # the character after the slash
        limit,
    )
    return [row["subject"] for row in rows]


async def _keys(tx: Transaction, *, agent: int | None = None, account: int | None = None) -> tuple[dict[str, str], ...]:
    column, owner = ("agent_id", agent) if account is None else ("account_id", account)
    rows = await tx.fetch(
        f"SELECT jwk FROM subject_keys WHERE {column} = $1 AND state = 'active' ORDER BY id",  # noqa: S608 - one of two names
        owner,
    )
    return tuple(msgspec.json.decode(row["jwk"], type=dict[str, str]) for row in rows)


def _facts(text: str | None) -> Facts | None:
    return None if text is None else msgspec.json.decode(text, type=Facts)
