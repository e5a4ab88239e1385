"""The values of attestation, and the pure rules of joining and of sessions."""

from typing import Final

from msgspec import Struct

from attestors.errors import EvidenceRefusedError
from issuer.errors import UnauthenticatedError
from remit.ids import SidecarName

SESSION_PREFIX: Final = "remit_sc_"
SESSION_SECONDS: Final = 3600
"""How long a session lives; a sidecar renews it by its key alone."""

_ANOTHER: Final = "make another one: `remit join-token create NAME`"
_EVICT: Final = (
    "if its key is lost: `remit sidecar evict {name} --reason …`, then `remit join-token create {name}`; "
    "if it is another machine: give it a name of its own"
)


class Session(Struct, frozen=True):
    """A session that was just opened: the one time that its secret is known.

    Attributes:
        sidecar: whose it is.
        secret: what the sidecar presents with each request.
        expires_at: unix seconds.
    """

    sidecar: SidecarName
    secret: str
    expires_at: int

    def __repr__(self) -> str:
        """Leaves the secret out."""
        return f"Session(sidecar={self.sidecar}, expires_at={self.expires_at})"


class ActiveSidecar(Struct, frozen=True):
    """A sidecar that proved who it is, and may act.

    Attributes:
        id: its key in the registry.
        name: its name.
        jkt: the thumbprint of its own key, by which it proved that; None: it has not joined.
    """

    id: int
    name: SidecarName
    jkt: str | None = None

    @property
    def actor(self) -> str:
        """Its name in the audit log."""
        return f"sidecar:{self.name}"


class SidecarRecord(Struct, frozen=True):
    """A sidecar as the registry has it.

    Attributes:
        id: its key.
        name: its name.
        jkt: the thumbprint of the key it joined with, or None.
        active: whether it is neither suspended nor revoked.
    """

    id: int
    name: SidecarName
    jkt: str | None
    active: bool

    def admitted(self) -> ActiveSidecar:
        """The sidecar, if it may act.

        Raises:
            UnauthenticatedError: it is suspended or revoked.
        """
        if not self.active:
            raise UnauthenticatedError(
                f"sidecar {self.name} is suspended or revoked", code="session_invalid", hint="ask an operator"
            )
        return ActiveSidecar(self.id, self.name, self.jkt)


class JoinToken(Struct, frozen=True):
    """A join token as the registry has it; times in unix seconds."""

    sidecar: SidecarRecord
    expires_at: int
    used_at: int | None


class SessionRecord(Struct, frozen=True):
    """A session as it is stored."""

    sidecar: SidecarRecord
    expires_at: int


def check_join(token: JoinToken | None, jkt: str, now: int) -> SidecarRecord:
    """Decide whether a key may join with a token; the sidecar that it becomes.

    Raises:
        EvidenceRefusedError: the token is unknown, used or late, or its sidecar has joined with another key.
        UnauthenticatedError: the sidecar is suspended or revoked.
    """
    if token is None:
        raise EvidenceRefusedError("the join token is not known here", hint=_ANOTHER)
    if token.used_at is not None:
        joined = f"a sidecar that has joined opens a session with its key; {_EVICT.format(name=token.sidecar.name)}"
        raise EvidenceRefusedError(
            "the join token was used before, or made before the sidecar was evicted",
            code="evidence_replayed",
            hint=_ANOTHER if token.sidecar.jkt is None else joined,
        )
    if now >= token.expires_at:
        raise EvidenceRefusedError("the join token has expired", code="evidence_expired", hint=_ANOTHER)
    token.sidecar.admitted()
    if token.sidecar.jkt not in (None, jkt):
        raise EvidenceRefusedError(
            f"sidecar {token.sidecar.name} has joined with another key",
            hint=_EVICT.format(name=token.sidecar.name),
        )
    return token.sidecar


def check_session(session: SessionRecord | None, jkt: str, now: int) -> ActiveSidecar:
    """Decide whether a session, presented with a proof by the key `jkt`, is good; the sidecar that it speaks for.

    Raises:
        UnauthenticatedError: code `session_invalid`: unknown, expired, another sidecar's, or the sidecar may not act.
    """
    if session is None or now >= session.expires_at or session.sidecar.jkt != jkt:
        raise UnauthenticatedError(
            "the session is unknown, over, or bound to another key",
            code="session_invalid",
            hint="open a new one at /v1/attest/session",
        )
    return session.sidecar.admitted()
