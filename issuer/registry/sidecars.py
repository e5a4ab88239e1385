"""Making join tokens, and with the first one for a name, registering the sidecar."""

from issuer.audit.store import append
from issuer.changes import Change
from issuer.errors import ConflictError, RetiredNameError
from issuer.registry import bearer
from issuer.registry.model import JoinToken
from issuer.registry.requests import NewJoinToken
from issuer.registry.state import State
from issuer.registry.store.sidecars import find_sidecars, insert_join_token, insert_sidecar
from issuer.storage import Transaction


async def make_join_token(tx: Transaction, change: Change, request: NewJoinToken) -> JoinToken:
    """Make a join token. A sidecar that joined before can use it with the key that it has only: a new key takes a new name.

    Raises:
        RetiredNameError: the sidecar was revoked.
        ConflictError: it is suspended.
    """
    name = request.sidecar
    if name not in (found := await find_sidecars(tx, [name])):
        await insert_sidecar(tx, name, change.now)
        found = await find_sidecars(tx, [name])
    _refuse_unless_active(name, found[name].state)
    token = bearer.draw("remit_join_")
    expires_at = change.now + request.ttl_seconds
    await insert_join_token(
        tx,
        bearer.digest(token),
        found[name].id,
        created_by=change.operator.name,
        now=change.now,
        expires_at=expires_at,
    )
    await append(tx, change.record("join_token.create", {"sidecar": name, "expires_at": expires_at}))
    return JoinToken(token=token, sidecar=name, expires_at=expires_at)


def _refuse_unless_active(name: str, state: State) -> None:
    if state is State.REVOKED:
        raise RetiredNameError(f"sidecar {name} was revoked", hint="names are never used again: choose another")
    if state is State.SUSPENDED:
        raise ConflictError(f"sidecar {name} is suspended", hint="resume it first")
