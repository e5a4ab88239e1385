"""Verifiers as the issuer's enforcement sees them, on a temporary database, with a clock that is set."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from issuer.enforcement import Bounds, Enforcement
from issuer.enforcement.model import Registration, Report
from issuer.registry.model import Provider
from issuer.registry.roles import Operator, Role
from issuer.registry.state import State
from issuer.registry.store.providers import insert_provider, set_provider_state
from issuer.status.model import Mark, StatusChange
from issuer.status.store import advance
from issuer.storage import Database, SQLiteDatabase

BOUNDS = Bounds.of(ttl_seconds=300, leeway_seconds=5)
BOUND_MS = 15_000
ANA = Operator(name="ana", role=Role.ADMIN)
SHOP = Provider(name="shop", owner="o", audiences=("https://a.example",), state=State.ACTIVE, created_at=0)
OTHER = Provider(name="other", owner="o", audiences=("https://b.example",), state=State.ACTIVE, created_at=0)


@dataclass
class Monotonic:
    """A clock that only goes forward, when it is told to; milliseconds."""

    ms: int = 1_000_000

    def __call__(self) -> int:
        return self.ms


def instance(name: str) -> str:
    """The instance id of the verifier called `name`."""
    return name.ljust(16, "-")


def registration(name: str, **more: object) -> Registration:
    """What the verifier called `name` says of itself."""
    given = {"instance": instance(name), "name": name, "bound_ms": BOUND_MS, **more}
    return Registration(**given)


@dataclass
class Enforcing:
    """An enforcement that has started, and what tests do to it."""

    database: Database
    enforcement: Enforcement
    clock: Monotonic = field(default_factory=Monotonic)

    async def register(self, name: str, provider: Provider = SHOP, **more: object) -> int:
        """Register a verifier; returns the head that it was told."""
        return (await self.enforcement.register(provider, registration(name, **more))).seq

    async def ack(self, name: str, seq: int, provider: Provider = SHOP) -> None:
        """A verifier enforces `seq`."""
        await self.enforcement.acknowledge(provider, instance(name), seq)

    async def change(self, verb: str = "revoke", account: str | None = "acme") -> int:
        """Commit a change of one status; returns its number."""

        async def work(tx):
            asked = await tx.now_ms()
            change = StatusChange(
                verb=verb, what="agent acme/planner", account=account, marks=[Mark(1, 7, 1)], requested_at_ms=asked
            )
            return await advance(tx, change)

        return await self.database.transaction(work)

    async def report(self, seq: int, viewer: Operator = ANA, wait_seconds: int = 0) -> Report:
        """How far it is enforced."""
        return await self.enforcement.report(viewer, seq, wait_seconds=wait_seconds)

    async def enforced(self, seq: int) -> tuple[list[str], list[str]]:
        """The names of those that enforce it, and of those that are silent."""
        report = await self.report(seq)
        return sorted(one.verifier for one in report.enforced), sorted(one.verifier for one in report.silent)

    async def stop_provider(self, name: str, state: State) -> None:
        """Write the state of a provider, as whoever stops it does."""
        await self.database.transaction(lambda tx: set_provider_state(tx, name, state))

    async def rows(self, sql: str) -> list[tuple]:
        """What the database holds."""
        return [tuple(row) for row in await self.database.read(lambda tx: tx.fetch(sql))]

    async def until(self, sql: str, expected: list[tuple], seconds: float = 5) -> None:
        """Wait until the task that settles has written this."""
        async with asyncio.timeout(seconds):
            while await self.rows(sql) != expected:
                self.enforcement.stir()
                await asyncio.sleep(0.005)


@asynccontextmanager
async def enforcing(folder: Path, clock: Monotonic | None = None):
    """Start an enforcement with two providers over the database in `folder`; again over the same one, it goes on."""
    database = SQLiteDatabase(folder / "remit.db")
    clock = clock or Monotonic()
    enforcement = Enforcement(database, BOUNDS, heartbeat_seconds=1, anonymous=lambda: 3, monotonic_ms=clock)
    try:
        await database.transaction(_providers)
        await enforcement.start()
        yield Enforcing(database, enforcement, clock)
    finally:
        await enforcement.close()
        await database.close()


async def _providers(tx):
    if not await tx.fetch("SELECT 1 FROM providers"):
        for provider in (SHOP, OTHER):
            await insert_provider(tx, provider, provider.name)
