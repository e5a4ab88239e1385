"""Rotation as a pure plan: the next key is published at once, signs later, and the one before outlives its tokens.

    now                 activates_at                   retires_at
    |-- prepare_seconds --|------ overlap_seconds --------|
    next is published     next signs, the old one only     the old one is
    the old one signs     stays published                  no longer published

No token is refused on the way: consumers know the next key before it signs, and still know the old one when the last token
that it signed expires.
"""

from msgspec import Struct, structs

from issuer.errors import ConflictError
from issuer.keys.model import KeySet, Purpose, SigningKey


class KeyPolicy(Struct, frozen=True):
    """How keys are rotated.

    Attributes:
        instance: which issuer the keys belong to.
        prepare_seconds: how long a new key is published before it signs.
        overlap_seconds: how long a key stays published after it last signed: the longest token life and the leeway.
    """

    instance: str
    prepare_seconds: int
    overlap_seconds: int


class Rotation(Struct, frozen=True):
    """A rotation that was decided.

    Attributes:
        active: the key that signs until the change; its `retires_at` is now set.
        prepared: its successor.
    """

    active: SigningKey
    prepared: SigningKey


def plan(keys: KeySet, policy: KeyPolicy, successor: SigningKey, now: int) -> Rotation:
    """Put `successor` (made by `new_key`) behind the key that is active at `now`.

    Raises:
        ConflictError: a rotation is under way.
    """
    waiting = keys.prepared(successor.purpose, policy.instance, now)
    if waiting is not None:
        raise ConflictError(
            f"a {successor.purpose} key is prepared already: {waiting.kid}",
            code="rotation_under_way",
            hint=f"it becomes active in {waiting.activates_at - now} s; rotate again after that",
        )
    active = keys.signing(successor.purpose, policy.instance, now)
    return Rotation(
        active=structs.replace(active, retires_at=successor.activates_at + policy.overlap_seconds), prepared=successor
    )


def new_key(
    policy: KeyPolicy, purpose: Purpose, kid: str, jwk: dict[str, str], *, now: int, activates_at: int
) -> SigningKey:
    """A key of this issuer, made at `now`, that signs from `activates_at`."""
    return SigningKey(
        kid=kid,
        purpose=purpose,
        instance=policy.instance,
        jwk=jwk,
        created_at=now,
        activates_at=activates_at,
        retires_at=None,
        revoked=False,
    )
