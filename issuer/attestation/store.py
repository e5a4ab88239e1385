"""The SQL of attestation: join tokens, sidecars' keys and sessions, evidence that was used."""

from typing import Final

from issuer.attestation.model import JoinToken, SessionRecord, SidecarRecord
from issuer.storage import Row, Transaction
from remit.ids import SidecarName

_SIDECAR: Final = "sidecars.id, sidecars.name, sidecars.jkt, sidecars.state"
_SESSIONS_KEPT: Final = 8
"""Most sessions of one sidecar; opening another ends the oldest."""


async def find_join_token(tx: Transaction, digest: str) -> JoinToken | None:
    """The join token with this digest."""
    row = await tx.fetch_row(
        f"SELECT join_tokens.expires_at, join_tokens.used_at, {_SIDECAR} FROM join_tokens "  # noqa: S608 - of constants
        "JOIN sidecars ON sidecars.id = join_tokens.sidecar_id WHERE digest = $1",
        digest,
    )
    return None if row is None else JoinToken(_sidecar(row), row["expires_at"], row["used_at"])


async def use_join_token(tx: Transaction, digest: str, now: int) -> bool:
    """Use the token up; False when somebody else was first."""
    return (
        await tx.execute("UPDATE join_tokens SET used_at = $1 WHERE digest = $2 AND used_at IS NULL", now, digest) == 1
    )


async def bind_key(tx: Transaction, sidecar_id: int, jkt: str, now: int) -> None:
    """Bind a sidecar to the key it joined with."""
    await tx.execute(
        "UPDATE sidecars SET jkt = $1, joined_at = $2, revision = revision + 1 WHERE id = $3", jkt, now, sidecar_id
    )


async def find_sidecar(tx: Transaction, jkt: str) -> SidecarRecord | None:
    """The sidecar that joined with this key."""
    row = await tx.fetch_row(f"SELECT {_SIDECAR} FROM sidecars WHERE jkt = $1", jkt)  # noqa: S608 - of constants
    return None if row is None else _sidecar(row)


async def sidecar_holding(tx: Transaction, jkt: str) -> SidecarRecord | None:
    """The sidecar that holds, or held, this key for an agent; None: no sidecar does."""
    row = await tx.fetch_row(
        f"SELECT {_SIDECAR} FROM subject_keys JOIN sidecars ON sidecars.id = subject_keys.sidecar_id "  # noqa: S608 - of constants
        "WHERE subject_keys.jkt = $1",
        jkt,
    )
    return None if row is None else _sidecar(row)


async def open_session(tx: Transaction, digest: str, sidecar_id: int, now: int, expires_at: int) -> None:
    """Write a session; forget those that are over, and the oldest beyond the bound."""
    await tx.execute("DELETE FROM sidecar_sessions WHERE expires_at <= $1", now)
    await tx.execute(
        "INSERT INTO sidecar_sessions (digest, sidecar_id, expires_at) VALUES ($1, $2, $3)",
        digest,
        sidecar_id,
        expires_at,
    )
    await tx.execute(
        "DELETE FROM sidecar_sessions WHERE sidecar_id = $1 AND digest <> $2 AND digest NOT IN "
        "(SELECT digest FROM sidecar_sessions WHERE sidecar_id = $1 ORDER BY expires_at DESC, digest LIMIT $3)",
        sidecar_id,
        digest,
        _SESSIONS_KEPT,
    )
    await tx.execute("UPDATE sidecars SET seen_at = $1 WHERE id = $2", now, sidecar_id)


async def find_session(tx: Transaction, digest: str) -> SessionRecord | None:
    """The session with this digest."""
    row = await tx.fetch_row(
        f"SELECT sidecar_sessions.expires_at, {_SIDECAR} FROM sidecar_sessions "  # noqa: S608 - of constants
        "JOIN sidecars ON sidecars.id = sidecar_sessions.sidecar_id WHERE digest = $1",
        digest,
    )
    return None if row is None else SessionRecord(_sidecar(row), row["expires_at"])


async def use_evidence(tx: Transaction, digest: str, until: int, now: int) -> bool:
    """Record that evidence was used; False when it was before. Records that nobody needs any more are forgotten."""
    await tx.execute("DELETE FROM used_evidence WHERE expires_at < $1", now)
    added = await tx.execute(
        "INSERT INTO used_evidence (digest, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", digest, until
    )
    return added == 1


def _sidecar(row: Row) -> SidecarRecord:
    return SidecarRecord(row["id"], SidecarName.parse(row["name"]), row["jkt"], row["state"] == "active")
