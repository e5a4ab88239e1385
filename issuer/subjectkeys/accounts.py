"""Keys of accounts: an operator registers them with a proof by the key, made wherever the private half is.

An account may have several. They are listed in its DID document; nothing that the issuer signs is bound to them.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from issuer.audit.store import append
from issuer.changes import Change, apply
from issuer.did.changes import note_keys
from issuer.errors import ConflictError, NotFoundError
from issuer.registry.names import require_living
from issuer.registry.requests import ShortText
from issuer.registry.roles import Operator
from issuer.registry.store.accounts import AccountRow, find_accounts
from issuer.storage import Database, Row, Transaction
from issuer.subjectkeys.model import KeyState, read_jwk
from remit.dpop import Proof, verify_proof
from remit.ids import AccountName
from remit.jose import thumbprint

PROOF_SECONDS: Final = 300
"""How long after it was made a proof is taken: it may come from another machine."""

MAX_ACTIVE: Final = 16
"""Most active keys of one account: each is in every version of its history."""

_KEYS: Final = (
    "SELECT subject_keys.*, accounts.name FROM subject_keys JOIN accounts ON accounts.id = subject_keys.account_id"
)


class NewAccountKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to register.

    Attributes:
        proof: a DPoP proof (RFC 9449) by the key for `POST` to this very URL; it holds the public half.
    """

    proof: str


class KeyRevocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to revoke, for good.

    Attributes:
        reason: why, for the audit log.
    """

    reason: ShortText

    def __post_init__(self) -> None:
        """Refuse what would not be one line of the audit log."""
        if not self.reason.isprintable():
            raise ValueError("`reason` is one line of printable characters")


class AccountKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key of an account, its public half.

    Attributes:
        jkt: its thumbprint (RFC 7638).
        account: whose it is.
        jwk: the key, its required members only.
        state: active or revoked.
        created_at: when it was registered, unix seconds.
        retired_at: when it was revoked, unix seconds, or None.
    """

    jkt: str
    account: str
    jwk: dict[str, str]
    state: KeyState
    created_at: int
    retired_at: int | None


class AccountKeys:
    """The keys of one issuer's accounts."""

    def __init__(self, database: Database, issuer: str, leeway: int) -> None:
        """Keep them in `database`; proofs are for URLs of `issuer`, and may be `leeway` seconds from the future."""
        self._database = database
        self._issuer = issuer
        self._leeway = leeway

    async def register(self, change: Change, account: AccountName, request: NewAccountKey) -> AccountKey:
        """Register the key that made the proof; registering it again changes nothing.

        Raises:
            ProofRefusedError: the proof is not good, not for this account, or not of these minutes.
            InvalidInputError: the key is not P-256.
            NotFoundError: there is no such account.
            ConflictError: the account is revoked or has too many keys, or the key is somebody else's or was revoked.
        """
        proof = verify_proof(
            request.proof,
            method="POST",
            url=f"{self._issuer}/v1/admin/accounts/{account}/keys",
            now=change.now,
            max_age_seconds=PROOF_SECONDS,
            leeway=self._leeway,
        )
        applied = await apply(self._database, change, lambda tx: _register(tx, change, account, proof), AccountKey)
        return applied.answer

    async def revoke(self, change: Change, account: AccountName, jkt: str, request: KeyRevocation) -> AccountKey:
        """Revoke a key of an account, for good; revoking it again changes nothing.

        Raises:
            NotFoundError: the account has no such key.
        """

        async def work(tx: Transaction) -> AccountKey:
            found = await _find(tx, jkt)
            if found is None or found.account != account.name:
                raise NotFoundError(f"account {account} has no such key", hint=f"`remit account key list {account}`")
            if found.state is KeyState.REVOKED:
                return found
            await tx.execute(
                "UPDATE subject_keys SET state = 'revoked', revision = revision + 1, retired_at = $2 WHERE jkt = $1",
                jkt,
                change.now,
            )
            await note_keys(tx, account, change.now)
            detail: dict[str, object] = {"jkt": jkt, "reason": request.reason}
            await append(tx, change.record("account_key.revoke", detail, account=account.name))
            return msgspec.structs.replace(found, state=KeyState.REVOKED, retired_at=change.now)

        return (await apply(self._database, change, work, AccountKey)).answer

    async def keys(self, viewer: Operator, account: AccountName) -> Sequence[AccountKey]:
        """Every key that an account ever had, the oldest first; raises `NotFoundError`."""
        what = f"account {account}"
        viewer.require_sight(account.name, what)

        async def work(tx: Transaction) -> Sequence[AccountKey]:
            if not await find_accounts(tx, [account.name]):
                raise NotFoundError(f"there is no {what}")
            return await _of_account(tx, account)

        return await self._database.read(work)


async def _register(tx: Transaction, change: Change, account: AccountName, proof: Proof) -> AccountKey:
    owner = await _living(tx, account)
    jwk = read_jwk(proof.jwk)
    jkt = thumbprint(jwk)
    known = await _find(tx, jkt)
    if known is not None and known.account == account.name and known.state is KeyState.ACTIVE:
        return known
    if known is not None or await tx.fetch_row("SELECT 1 AS one FROM subject_keys WHERE jkt = $1", jkt) is not None:
        raise ConflictError("this key is somebody else's, or was revoked", hint="make another")
    active = [key for key in await _of_account(tx, account) if key.state is KeyState.ACTIVE]
    if len(active) >= MAX_ACTIVE:
        raise ConflictError(f"account {account} has {MAX_ACTIVE} active keys", hint="revoke one that is not used")
    await tx.execute(
        "INSERT INTO subject_keys (jkt, account_id, jwk, created_at) VALUES ($1, $2, $3, $4)",
        jkt,
        owner.id,
        msgspec.json.encode(jwk).decode(),
        change.now,
    )
    await note_keys(tx, account, change.now)
    await append(tx, change.record("account_key.register", {"jkt": jkt}, account=account.name))
    return AccountKey(
        jkt=jkt, account=account.name, jwk=jwk, state=KeyState.ACTIVE, created_at=change.now, retired_at=None
    )


async def _living(tx: Transaction, account: AccountName) -> AccountRow:
    found = await find_accounts(tx, [account.name])
    states = {name: row.state for name, row in found.items()}
    require_living("account", [account.name], states, missing="register it first")
    return found[account.name]


async def _find(tx: Transaction, jkt: str) -> AccountKey | None:
    row = await tx.fetch_row(f"{_KEYS} WHERE subject_keys.jkt = $1", jkt)
    return None if row is None else _key(row)


async def _of_account(tx: Transaction, account: AccountName) -> Sequence[AccountKey]:
    rows = await tx.fetch(f"{_KEYS} WHERE accounts.name = $1 ORDER BY subject_keys.id", account.name)
    return [_key(row) for row in rows]


def _key(row: Row) -> AccountKey:
    return AccountKey(
        jkt=row["jkt"],
        account=row["name"],
        jwk=msgspec.json.decode(row["jwk"], type=dict[str, str]),
        state=KeyState(row["state"]),
        created_at=row["created_at"],
        retired_at=row["retired_at"],
    )
