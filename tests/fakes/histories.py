"""Histories: their door on a temporary database with a clock that is set, and an independent checker of what it writes."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from did_webvh.core.file_utils import AsyncTextGenerator, read_str
from did_webvh.core.resolver import DidResolver, HistoryResolver, ResolutionResult
from did_webvh.verify import WebvhVerifier

from issuer.changes import Change
from issuer.did import DIDService
from issuer.did.changes import note_keys, note_state
from issuer.did.model import Describer, parse_subject
from issuer.keys.wrapping import SealedSecrets
from issuer.registry.model import Page
from issuer.registry.operators import register_first_operator
from issuer.registry.requests import NewAccount, NewAgent
from issuer.registry.service import Registry
from issuer.storage import SQLiteDatabase
from remit.ids import TrustDomain
from remit.jose import public_jwk, thumbprint
from tests.fakes.issuing import OPERATOR, Clock

HOST = "issuer.example.org"
ISSUER = f"https://{HOST}"


@dataclass
class RegistryCore:
    """What has DIDs: a registry on a temporary database."""

    database: SQLiteDatabase
    registry: Registry
    clock: Clock = field(default_factory=Clock)

    async def register(self, *agents: str) -> None:
        """Register agents, and their accounts if they are new."""
        change = Change(OPERATOR, self.clock.ms())
        known = {account.name for account in await self.registry.accounts(OPERATOR, Page(limit=1000))}
        for agent in agents:
            account = agent.partition("/")[0]
            if account not in known:
                await self.registry.create_account(change, NewAccount(name=account, owner="ana"))
                known.add(account)
            await self.registry.create_agent(change, NewAgent(agent=agent))


async def open_registry(folder: Path) -> RegistryCore:
    """A registry in `folder`, with an operator."""
    database = SQLiteDatabase(folder / "remit.db")
    await database.transaction(lambda tx: register_first_operator(tx, OPERATOR.name, 0))
    return RegistryCore(database, Registry(database))


def new_jwk() -> tuple[dict[str, str], str]:
    """A public key that nobody has had before, and its thumbprint."""
    jwk = public_jwk(ec.generate_private_key(ec.SECP256R1()))
    return jwk, thumbprint(jwk)


async def open_histories(core: RegistryCore, folder: Path, *, host: str = HOST) -> DIDService:
    """The door to the DIDs of `core`, whose wrapping key is in `folder`."""
    sealed = SealedSecrets(core.database, folder / "wrapping.key")
    await sealed.start()
    return DIDService(core.database, sealed, Describer(ISSUER, host, TrustDomain("example.org")), core.clock.ms)


async def set_state(core: RegistryCore, subject: str, state: str) -> None:
    """Set the state of an agent or an account, and tell its history, as whatever changes one does."""
    parsed = parse_subject(subject)
    account, _, path = subject.partition("/")

    async def work(tx):
        if path:
            sql = "UPDATE agents SET state = $1 WHERE path = $3 AND account_id = (SELECT id FROM accounts WHERE name = $2)"
            await tx.execute(sql, state, account, path)
        else:
            await tx.execute("UPDATE accounts SET state = $1 WHERE name = $2", state, account)
        await note_state(tx, parsed, core.clock.now)

    await core.database.transaction(work)


async def set_key(core: RegistryCore, subject: str, jwk: dict[str, str], jkt: str) -> None:
    """Give an agent or an account another key in place of the one it had, and tell its history."""
    parsed = parse_subject(subject)
    account, _, path = subject.partition("/")
    agents = "SELECT agents.id FROM agents JOIN accounts ON accounts.id = account_id WHERE name = $1 AND path = $2"

    async def work(tx):
        row = await tx.fetch_row(agents, account, path) if path else None
        owner = row["id"] if row else (await tx.fetch_row("SELECT id FROM accounts WHERE name = $1", account))["id"]
        column = "agent_id" if path else "account_id"
        now = core.clock.now
        await tx.execute(f"UPDATE subject_keys SET state = 'retired', retired_at = $2 WHERE {column} = $1", owner, now)
        await tx.execute(
            f"INSERT INTO subject_keys (jkt, {column}, jwk, created_at) VALUES ($1, $2, $3, $4)",
            jkt,
            owner,
            json.dumps(jwk),
            now,
        )
        await note_keys(tx, parsed, now)

    await core.database.transaction(work)


async def settle(dids: DIDService, core: RegistryCore) -> None:
    """Let the background do all that waits, moving the clock as it needs."""
    for _ in range(1000):
        while await dids.work_off():
            pass
        if not await core.database.read(lambda tx: tx.fetch("SELECT id FROM did_changes LIMIT 1")):
            return
        core.clock.now += 1
    raise AssertionError("the histories never settle")


class _Text(HistoryResolver):
    def __init__(self, text: str) -> None:
        self._text = text

    def resolve_entry_log(self, document_id: str | None) -> AsyncTextGenerator:
        return read_str(self._text)


async def resolve_independently(did: str, log: str, **which: str) -> ResolutionResult:
    """What the reference implementation makes of a history."""
    return await DidResolver(WebvhVerifier()).resolve(did, _Text(log), **which)
