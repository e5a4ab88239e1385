"""Bringing histories up to date, in transactions of bounded size. What is written and what is forgotten commit together.

A history is brought up to date when it is read, and in the background; either way in the order in which the changes were
made, one version for each second in which something changed, and at last with what is so now.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from issuer.did import store
from issuer.did.model import Subject, parse_subject
from issuer.did.store import PendingChange
from issuer.did.writing import HistoryWriter, TooSoonError
from issuer.storage import Transaction

BATCH: Final = 16
"""Most subjects in one transaction: others wait for it."""


async def catch_up(tx: Transaction, writer: HistoryWriter, subject: Subject, now: int) -> bool:
    """Bring one history up to date, as far as the clock permits; begin it if there is none. Returns whether it is.

    Raises:
        ConfigurationError: it was written with another shared secret.
    """
    last = await store.last_entry(tx, subject)
    if last is not None:
        writer.check_committed(subject, last)
    pending = await store.changes_of(tx, subject)
    known = await store.read_facts(tx, subject)
    steps = [(change.facts, change.at, change.id) for change in _last_of_each_second(pending)]
    for facts, at, change_id in [*steps, (known, now, None)]:
        if facts is None:
            continue
        try:
            entries = writer.following(subject, last, facts, at=at, now=now)
        except TooSoonError:
            return False
        for entry in entries:
            await store.append_entry(tx, subject, entry)
            last = entry
        if change_id is not None:
            await store.remove_changes(tx, subject, change_id)
    return True


async def work_off(tx: Transaction, writer: HistoryWriter, now: int) -> bool:
    """Bring up to date what has waited longest; returns whether anything could be done."""
    done = False
    seen: set[str] = set()
    for change in await store.first_changes(tx, BATCH):
        if change.facts is None:
            done = True
            await _look_below(tx, change)
        elif change.subject not in seen:
            seen.add(change.subject)
            done |= await catch_up(tx, writer, parse_subject(change.subject), now)
    return done


async def _look_below(tx: Transaction, change: PendingChange) -> None:
    """Write down what the next subjects below are now; only those that have a history."""
    names = await store.histories_below(tx, change.subject, change.done_to or "", BATCH)
    for name in names:
        await store.add_change(tx, name, change.at, await store.read_facts(tx, parse_subject(name)))
    if len(names) < BATCH:
        await store.remove_change(tx, change.id)
    else:
        await store.set_done_to(tx, change.id, names[-1])


def _last_of_each_second(changes: Sequence[PendingChange]) -> Iterable[PendingChange]:
    return {change.at: change for change in changes}.values()
