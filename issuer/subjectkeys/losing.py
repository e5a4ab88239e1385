"""Keys that are lost with the sidecar that held them."""

from issuer.did.changes import note_keys
from issuer.storage import Transaction
from issuer.subjectkeys import store
from issuer.subjectkeys.model import KeyState
from remit.ids import AgentName


async def end_keys_held_by(tx: Transaction, sidecar_id: int, state: KeyState, now: int) -> None:
    """Retire or revoke every key that a sidecar holds for agents: whoever has its state folder has them."""
    for key in await store.keys_held_by(tx, sidecar_id):
        await store.end_key(tx, key.jkt, state, now)
        await note_keys(tx, AgentName.parse(key.subject), now)
