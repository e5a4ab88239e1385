"""Bringing histories up to date: look, prepare (which signs), write; nothing is signed while the database waits.

What is written and what is forgotten commit together. A history that somebody else wrote to meanwhile is left as it is: looking
again shows what is still to do. Changes are told in the order in which they were made, one version for each second in which
something changed, and at last what is so now.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from issuer.did import store
from issuer.did.model import Facts, Subject, parse_subject
from issuer.did.store import PendingChange
from issuer.did.writing import HistoryWriter, TooSoonError
from issuer.storage import Transaction
from remit.webvh.entry import LogEntry


class Outlook(Struct, frozen=True):
    """What is known of a history that may have to go on.

    Attributes:
        subject: whose it is.
        last: its last entry; None when it has not begun.
        changes: what it does not say yet, in order.
        facts: what is so now; None when there is no such subject.
    """

    subject: Subject
    last: LogEntry | None
    changes: Sequence[PendingChange]
    facts: Facts | None


class Prepared(Struct, frozen=True):
    """How a history goes on.

    Attributes:
        subject: whose it is.
        after: the number of the version that it goes on from; 0 when it begins.
        entries: what comes next.
        told: the last change that it says then, or has no need to say; 0 for none.
    """

    subject: Subject
    after: int
    entries: Sequence[LogEntry]
    told: int

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.entries or self.told)


async def look(tx: Transaction, subject: Subject) -> Outlook:
    """Read what is needed to prepare."""
    return Outlook(
        subject,
        await store.last_entry(tx, subject),
        await store.changes_of(tx, subject),
        await store.read_facts(tx, subject),
    )


def prepare(writer: HistoryWriter, outlook: Outlook, now: int) -> Prepared:
    """Write and sign what comes next, as far as the clock permits. Pure, but for its millisecond for each entry.

    Raises:
        ConfigurationError: the history was written with another shared secret.
    """
    last, told = outlook.last, 0
    entries: list[LogEntry] = []
    if last is not None:
        writer.check_committed(outlook.subject, last)
    steps = [(change.facts, change.at, change.id) for change in _last_of_each_second(outlook.changes)]
    for facts, at, change_id in [*steps, (outlook.facts, now, 0)]:
        if facts is None:
            continue
        try:
            following = writer.following(outlook.subject, last, facts, at=at, now=now)
        except TooSoonError:
            break
        entries += following
        last = entries[-1] if entries else last
        told = change_id or told
    return Prepared(outlook.subject, 0 if outlook.last is None else outlook.last.number, entries, told)


async def write(tx: Transaction, prepared: Prepared) -> bool:
    """Write what was prepared, unless somebody else went on with the history meanwhile; returns whether it was written."""
    if await store.last_version(tx, prepared.subject) != prepared.after:
        return False
    for entry in prepared.entries:
        await store.append_entry(tx, prepared.subject, entry)
    await store.remove_changes(tx, prepared.subject, prepared.told)
    return True


async def look_below(tx: Transaction, change: PendingChange, limit: int) -> None:
    """Write down what the next subjects below are now, `limit` at most; only of those that have a history."""
    names = await store.histories_below(tx, change.subject, change.done_to or "", limit)
    for name in names:
        await store.add_change(tx, name, change.at, await store.read_facts(tx, parse_subject(name)))
    if len(names) < limit:
        await store.remove_change(tx, change.id)
    else:
        await store.set_done_to(tx, change.id, names[-1])


def _last_of_each_second(changes: Sequence[PendingChange]) -> Iterable[PendingChange]:
    return {change.at: change for change in changes}.values()
