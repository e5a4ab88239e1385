"""Telling histories that something changed: within the transaction that changes it, so that none is forgotten.

Nothing is signed here. What the subject is after the change is written down; its history says it a moment later.
"""

from issuer.did import store
from issuer.did.model import Subject
from issuer.storage import Transaction


async def note_keys(tx: Transaction, subject: Subject, now: int) -> None:
    """The keys of `subject` changed at `now`, in this transaction."""
    await store.add_change(tx, str(subject), now, await store.read_facts(tx, subject))


async def note_state(tx: Transaction, subject: Subject, now: int) -> None:
    """The state of `subject`, and so of everything below it, changed at `now`, in this transaction."""
    await note_keys(tx, subject, now)
    await store.add_change(tx, str(subject), now, None)
