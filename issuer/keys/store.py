"""The SQL of signing keys."""

import msgspec

from issuer.keys.model import KeySet, Purpose, SigningKey
from issuer.storage import Row, Transaction


async def load(tx: Transaction) -> KeySet:
    """Every signing key."""
    rows = await tx.fetch(
        "SELECT kid, purpose, issuer, jwk, state, created_at, activates_at, retires_at FROM signing_keys"
    )
    return KeySet(tuple(_key(row) for row in rows))


async def add(tx: Transaction, key: SigningKey) -> None:
    """Publish a new key."""
    await tx.execute(
        "INSERT INTO signing_keys (kid, purpose, issuer, jwk, created_at, activates_at, retires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        key.kid,
        key.purpose.value,
        key.instance,
        msgspec.json.encode(key.jwk).decode(),
        key.created_at,
        key.activates_at,
        key.retires_at,
    )


async def retire(tx: Transaction, kid: str, *, retires_at: int | None) -> None:
    """Set when a key stops being published; None: it does not."""
    await tx.execute("UPDATE signing_keys SET retires_at = $2 WHERE kid = $1", kid, retires_at)


async def activate(tx: Transaction, kid: str, *, activates_at: int) -> None:
    """Set when a key begins to sign."""
    await tx.execute("UPDATE signing_keys SET activates_at = $2 WHERE kid = $1", kid, activates_at)


async def revoke(tx: Transaction, kid: str) -> None:
    """Neither sign with a key nor publish it any more."""
    await tx.execute("UPDATE signing_keys SET state = 'revoked' WHERE kid = $1", kid)


def _key(row: Row) -> SigningKey:
    return SigningKey(
        kid=row["kid"],
        purpose=Purpose(row["purpose"]),
        instance=row["issuer"],
        jwk=msgspec.json.decode(row["jwk"], type=dict[str, str]),
        created_at=row["created_at"],
        activates_at=row["activates_at"],
        retires_at=row["retires_at"],
        revoked=row["state"] != "active",
    )
