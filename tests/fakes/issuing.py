"""A real issuer core on a temporary SQLite file, with a clock that is set: what the tests of issuance stand on."""

from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Raw

from attestors.base import Appraisal
from issuer.audit.service import AuditLog
from issuer.changes import Change
from issuer.issuance import Caller, IssuancePolicy, IssuanceRequest, IssuanceService
from issuer.issuance.claims import ClaimsWriter
from issuer.keys import KeyPolicy, KeyService
from issuer.keys.files import KeyFiles
from issuer.persons import Pairwise
from issuer.registry.model import Page
from issuer.registry.operators import register_first_operator
from issuer.registry.requests import NewAccount, NewAgent, NewEntry, NewGrant
from issuer.registry.roles import Operator, Role
from issuer.registry.service import Registry
from issuer.status.service import StatusLists
from issuer.storage import Database, SQLiteDatabase
from remit.ids import AgentName, TrustDomain

NOW = 1_800_000_000
ISSUER = "https://issuer.example.org"
MAX_OPEN_TASKS = 20
AUDIENCE = "https://api.example.com"
DIRECT = Caller("workload:oidc", None)
PAIRWISE = Pairwise(b"a secret that is none, 32 bytes !")
OPERATOR = Operator(name="ana", role=Role.ADMIN)


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: int = NOW

    def ms(self) -> int:
        """Milliseconds since the epoch."""
        return self.now * 1000


@dataclass
class IssuerCore:
    """The domain services of one issuer, without HTTP."""

    database: Database
    keys: KeyService
    registry: Registry
    statuses: StatusLists
    audit: AuditLog
    issuance: IssuanceService
    clock: Clock = field(default_factory=Clock)

    @property
    def change(self) -> Change:
        """A change that the operator `ana` makes now."""
        return Change(OPERATOR, self.clock.ms())

    async def register(
        self, agent: str = "acme/planner", *selectors: str, scope: bytes = b"", grant: bool = True
    ) -> None:
        """Register an agent (and its account if it is new), a direct entry and a standing grant."""
        account = agent.partition("/")[0]
        if account not in {known.name for known in await self.registry.accounts(OPERATOR, Page())}:
            await self.registry.create_account(self.change, NewAccount(name=account, owner="ana@example.org"))
        await self.registry.create_agent(self.change, NewAgent(agent=agent))
        if selectors:
            await self.registry.create_entry(self.change, NewEntry(agent=agent, selectors=list(selectors)))
        if grant:
            wanted = {"scope": Raw(scope)} if scope else {}
            await self.registry.create_grant(self.change, NewGrant(agent=agent, **wanted))


async def open_core(folder: Path, *, wrap=lambda database: database) -> IssuerCore:
    """Start the core in `folder`; `wrap` may put something around its database."""
    clock = Clock()
    database = SQLiteDatabase(folder / "remit.db")
    await database.transaction(lambda tx: register_first_operator(tx, OPERATOR.name, clock.ms()))
    keys = KeyService(database, KeyFiles(folder / "keys"), KeyPolicy("issuer-1", 100, 305))
    await keys.start(now=clock.now)
    wrapped = wrap(database)
    issuance = IssuanceService(
        wrapped,
        keys,
        ClaimsWriter(ISSUER, TrustDomain("example.org"), PAIRWISE),
        IssuancePolicy(300, 86_400, MAX_OPEN_TASKS),
        clock.ms,
    )
    return IssuerCore(wrapped, keys, Registry(database), StatusLists(database), AuditLog(database), issuance, clock)


def request(
    *selectors: str, agent: str | None = None, caller: Caller = DIRECT, audience: str = AUDIENCE, **more
) -> IssuanceRequest:
    """A request whose evidence showed `selectors`."""
    once = {name: more.pop(name) for name in ("use_once", "use_once_until", "expires_at", "provider") if name in more}
    return IssuanceRequest(
        caller=caller,
        appraisal=Appraisal(frozenset(selectors), "a test", **once),
        audience=audience,
        agent=None if agent is None else AgentName.parse(agent),
        **more,
    )
