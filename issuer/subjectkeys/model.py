"""The values of agents' keys, and the pure rules of registering one.

Agents' keys are P-256, for ES256: what hardware, browsers and every DPoP library can do. Ed25519 is not taken: a JWT-SVID may not
be signed with it, so nothing in Remit that verifies tokens or proofs knows it.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, Literal

from msgspec import Struct

from issuer.errors import ConflictError, NotEntitledError
from remit.errors import InvalidInputError
from remit.jose import PublicKey, thumbprint

MAX_KEYS_A_DAY: Final = 64
"""Most keys that are registered for one agent in a day: each stays in its history for ever."""

_MEMBERS: Final = frozenset({"kty", "crv", "x", "y"})
_IGNORED: Final = frozenset({"alg", "use", "kid", "key_ops"})

Holder = Literal["agent", "sidecar"]
"""Who has the private half: the agent itself, or the sidecar for it."""


class KeyState(StrEnum):
    """The state of a key. No key ever becomes active again."""

    ACTIVE = "active"
    """New tokens are bound to it."""
    RETIRED = "retired"
    """Another one took its place; the tokens that are bound to it go on until they end."""
    REVOKED = "revoked"
    """It is not the agent's any more, and the tokens that were bound to it are revoked."""


class SubjectKey(Struct, frozen=True, kw_only=True):
    """A key of an agent, its public half.

    Attributes:
        jkt: its thumbprint (RFC 7638).
        subject: the agent's full name, `acme/planner`.
        held_by: who has the private half.
        sidecar: the sidecar that holds it for the agent, or None.
        jwk: the key, its required members only.
        state: its own state; a revoked agent's keys are worth nothing, whatever they say.
        created_at: when it was registered, unix seconds.
        retired_at: when it stopped being active, unix seconds, or None.
    """

    jkt: str
    subject: str
    held_by: Holder
    sidecar: str | None
    jwk: dict[str, str]
    state: KeyState
    created_at: int
    retired_at: int | None


class Registration(Struct, frozen=True, kw_only=True):
    """A key that is to be registered; possession was proved.

    Attributes:
        jwk: the key, its required members only.
        jkt: its thumbprint.
        held_by: who has the private half.
    """

    jwk: dict[str, str]
    jkt: str
    held_by: Holder


def read_jwk(jwk: Mapping[str, object]) -> dict[str, str]:
    """The required members of a public P-256 key (RFC 7518 section 6.2).

    Raises:
        InvalidInputError: it is another kind of key, has members that do not belong there, or private ones.
    """
    if not jwk.keys() <= _MEMBERS | _IGNORED:
        raise InvalidInputError(
            "the jwk has members that a public P-256 key has not", code="malformed_request", hint="send kty, crv, x, y"
        )
    if "ES256" not in PublicKey.from_jwk(jwk).algorithms:
        raise InvalidInputError("an agent's key is P-256", code="malformed_request", hint="make one for ES256")
    return {name: str(jwk[name]) for name in sorted(_MEMBERS)}


def check_proved(jwk: Mapping[str, object], proved_jkt: str) -> dict[str, str]:
    """`read_jwk` of a key that a proof was made with.

    Raises:
        InvalidInputError: as `read_jwk`, or the proof is by another key.
    """
    members = read_jwk(jwk)
    if thumbprint(members) != proved_jkt:
        raise InvalidInputError("the proof is by another key than the jwk", code="malformed_request")
    return members


def check_known(known: SubjectKey | None, wanted: Registration, subject: str, sidecar: str | None) -> bool:
    """Whether `wanted` is registered already, just so; a key is one subject's for ever, and one hand's.

    Args:
        known: what is registered under this thumbprint, if anything.
        wanted: what is asked for.
        subject: the agent that asks.
        sidecar: the sidecar that holds it, or None.

    Raises:
        ConflictError: it is another subject's or another hand's, or it was retired or revoked.
    """
    if known is None:
        return False
    if known.subject != subject or (known.held_by, known.sidecar) != (wanted.held_by, sidecar):
        raise ConflictError("this key is registered for somebody else", hint="make a key of your own")
    if known.state is not KeyState.ACTIVE:
        raise ConflictError(
            f"this key was {known.state}", hint="a key that was replaced is never used again: make another"
        )
    return True


def replaced_by(active: Sequence[SubjectKey], wanted: Registration, sidecar: str | None) -> list[SubjectKey]:
    """Which of an agent's active keys `wanted` takes the place of.

    An agent's own key replaces every other; one that a sidecar holds replaces the agent's own and the one that this sidecar held:
    sidecars that serve replicas of one agent hold a key each.
    """
    if wanted.held_by == "agent":
        return list(active)
    return [key for key in active if key.sidecar in (None, sidecar)]


def check_pace(registered_today: int) -> None:
    """Return when one more key may be registered; raises `NotEntitledError` (`too_many_keys`)."""
    if registered_today >= MAX_KEYS_A_DAY:
        raise NotEntitledError(
            f"{MAX_KEYS_A_DAY} keys were registered for this agent within a day",
            code="too_many_keys",
            hint="keep the key: it is meant to last for months",
        )
