"""Tainting as a pure plan: a key is revoked at once, and what it leaves behind goes on without it.

    the tainted key was        what follows
    active                     its prepared successor signs at once, or without one a key that was made in advance for this
    prepared                   the active key goes on and retires no more
    retiring or retired        nothing: its successor signs already

Whoever has the private half of a tainted key can sign whatever they like, and date it whenever they like. So the key is not trusted
for anything any more, also not for what it signed in good faith.
"""

from msgspec import Struct, structs

from issuer.errors import NotFoundError
from issuer.keys.model import KeySet, Phase, SigningKey


class Taint(Struct, frozen=True):
    """A tainting that was decided.

    Attributes:
        key: the tainted key, as it was.
        phase: where it was in its life.
        successor: the key that signs from now on in its place, as it is from now on; None when it did not sign.
        is_new: whether that is the key that was made in advance, not known to anybody yet.
        stays: the key that does not retire any more, because its successor is the tainted one; as it is from now on.
    """

    key: SigningKey
    phase: Phase
    successor: SigningKey | None = None
    is_new: bool = False
    stays: SigningKey | None = None

    @property
    def was_trusted(self) -> bool:
        """Whether consumers have to be told: they trusted it until now."""
        return self.phase in (Phase.PREPARED, Phase.ACTIVE, Phase.RETIRING)


def plan_taint(keys: KeySet, kid: str, spare: SigningKey | None, now: int) -> Taint:
    """Decide what tainting a key comes to.

    Args:
        keys: all that are known.
        kid: which to taint.
        spare: a key that may sign from `now`, for the same issuer and purpose; None when the key is another issuer's, which then
            makes its own when it starts.
        now: unix seconds.

    Raises:
        NotFoundError: there is no such key.
    """
    key = keys.find(kid)
    if key is None:
        raise NotFoundError(f"there is no signing key {kid}", hint="`remit key list` shows them")
    phase = keys.phase(key, now)
    if phase is Phase.PREPARED:
        active = keys.signing(key.purpose, key.instance, now)
        return Taint(key, phase, stays=structs.replace(active, retires_at=None))
    if phase is not Phase.ACTIVE:
        return Taint(key, phase)
    waiting = keys.prepared(key.purpose, key.instance, now)
    if waiting is not None:
        return Taint(key, phase, successor=structs.replace(waiting, activates_at=now))
    return Taint(key, phase, successor=spare, is_new=spare is not None)
