"""The door to the registry: here its transactions begin and end.

Who asks decides what is seen: to an operator who is limited to an account, nothing else exists.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from issuer.changes import Change, apply
from issuer.errors import NotFoundError
from issuer.registry.accounts import register_accounts, register_agents
from issuer.registry.bulk import Import, Imported, import_records
from issuer.registry.entries import register_entries, remove_entry
from issuer.registry.grants import register_grants
from issuer.registry.model import (
    Account,
    Agent,
    Entry,
    Grant,
    JoinToken,
    OperatorCredential,
    Page,
    Sidecar,
)
from issuer.registry.operators import identify, register_first_operator, register_operator
from issuer.registry.requests import NewAccount, NewAgent, NewEntry, NewGrant, NewJoinToken, NewOperator
from issuer.registry.roles import Operator
from issuer.registry.sidecars import make_join_token
from issuer.registry.store.accounts import list_accounts, read_account
from issuer.registry.store.agents import list_agents, read_agent
from issuer.registry.store.entries import list_entries, read_entry
from issuer.registry.store.grants import list_grants, read_grant
from issuer.registry.store.operators import list_operators
from issuer.registry.store.sidecars import list_sidecars
from issuer.storage import Database, Transaction
from remit.ids import AgentName

T = TypeVar("T")
R = TypeVar("R")


class Registry:
    """The registry of one issuer. What each method registers, and when it refuses, is said where it is done."""

    def __init__(self, database: Database) -> None:
        """Keep the registry in `database`."""
        self._database = database

    async def create_account(self, change: Change, request: NewAccount) -> Account:
        """See `issuer.registry.accounts.register_accounts`."""
        return await self._register_one(change, register_accounts, request, Account)

    async def create_agent(self, change: Change, request: NewAgent) -> Agent:
        """See `issuer.registry.accounts.register_agents`."""
        return await self._register_one(change, register_agents, request, Agent)

    async def create_entry(self, change: Change, request: NewEntry) -> Entry:
        """See `issuer.registry.entries.register_entries`."""
        return await self._register_one(change, register_entries, request, Entry)

    async def create_grant(self, change: Change, request: NewGrant) -> Grant:
        """See `issuer.registry.grants.register_grants`."""
        return await self._register_one(change, register_grants, request, Grant)

    async def import_records(self, change: Change, request: Import) -> Imported:
        """See `issuer.registry.bulk.import_records`."""
        return await self._apply(change, lambda tx: import_records(tx, change, request.records), Imported)

    async def delete_entry(self, change: Change, entry_id: str) -> Entry:
        """See `issuer.registry.entries.remove_entry`."""
        return await self._apply(change, lambda tx: remove_entry(tx, change, entry_id), Entry)

    async def create_join_token(self, change: Change, request: NewJoinToken) -> JoinToken:
        """See `issuer.registry.sidecars.make_join_token`."""
        return await self._apply(change, lambda tx: make_join_token(tx, change, request), None)

    async def create_operator(self, change: Change, request: NewOperator) -> OperatorCredential:
        """See `issuer.registry.operators.register_operator`."""
        return await self._apply(change, lambda tx: register_operator(tx, change, request), None)

    async def create_first_operator(self, name: str, at_ms: int) -> OperatorCredential:
        """See `issuer.registry.operators.register_first_operator`."""
        return await self._database.transaction(lambda tx: register_first_operator(tx, name, at_ms))

    async def identify(self, token: str) -> Operator:
        """See `issuer.registry.operators.identify`."""
        return await self._database.read(lambda tx: identify(tx, token))

    async def accounts(self, viewer: Operator, page: Page) -> list[Account]:
        """A page of accounts by name; the cursor is a name."""
        return await self._database.read(lambda tx: list_accounts(tx, page, viewer.account))

    async def account(self, viewer: Operator, name: str) -> Account:
        """One account; raises `NotFoundError`."""
        what = f"account {name}"
        viewer.require_sight(name, what)
        return _found(await self._database.read(lambda tx: read_account(tx, name)), what)

    async def agents(self, viewer: Operator, page: Page, account: str | None) -> list[Agent]:
        """A page of agents, of one account if given; the cursor is a full name."""
        if account is not None:
            viewer.require_sight(account, f"account {account}")
        return await self._database.read(lambda tx: list_agents(tx, page, account or viewer.account))

    async def agent(self, viewer: Operator, name: AgentName) -> Agent:
        """One agent; raises `NotFoundError`."""
        what = f"agent {name}"
        viewer.require_sight(name.account, what)
        return _found(await self._database.read(lambda tx: read_agent(tx, name)), what)

    async def entries(
        self, viewer: Operator, page: Page, *, agent: AgentName | None, sidecar: str | None
    ) -> list[Entry]:
        """A page of entries, of one agent or sidecar if given; the cursor is an id."""
        return await self._database.read(
            lambda tx: list_entries(tx, page, account=viewer.account, agent=_key(agent), sidecar=sidecar)
        )

    async def entry(self, viewer: Operator, entry_id: str) -> Entry:
        """One entry; raises `NotFoundError`."""
        what = "such entry"
        entry = _found(await self._database.read(lambda tx: read_entry(tx, entry_id)), what)
        viewer.require_sight(entry.agent.partition("/")[0], what)
        return entry

    async def grants(self, viewer: Operator, page: Page, *, agent: AgentName | None, task: str | None) -> list[Grant]:
        """A page of grants, of one agent or task if given; the cursor is an id."""
        return await self._database.read(
            lambda tx: list_grants(tx, page, account=viewer.account, agent=_key(agent), task=task)
        )

    async def grant(self, viewer: Operator, grant_id: str) -> Grant:
        """One grant; raises `NotFoundError`."""
        what = "such grant"
        grant = _found(await self._database.read(lambda tx: read_grant(tx, grant_id)), what)
        viewer.require_sight(grant.account, what)
        return grant

    async def sidecars(self, page: Page) -> list[Sidecar]:
        """A page of sidecars by name; the cursor is a name."""
        return await self._database.read(lambda tx: list_sidecars(tx, page))

    async def operators(self, page: Page) -> list[Operator]:
        """A page of operators by name; the cursor is a name."""
        return await self._database.read(lambda tx: list_operators(tx, page))

    async def _register_one(
        self,
        change: Change,
        register: Callable[[Transaction, Change, Sequence[R]], Awaitable[list[T]]],
        request: R,
        answers: type[T],
    ) -> T:
        async def work(tx: Transaction) -> T:
            (registered,) = await register(tx, change, [request])
            return registered

        return await self._apply(change, work, answers)

    async def _apply(self, change: Change, work: Callable[[Transaction], Awaitable[T]], answers: type[T] | None) -> T:
        return (await apply(self._database, change, work, answers)).answer


def _found(value: T | None, what: str) -> T:
    if value is None:
        raise NotFoundError(f"there is no {what}")
    return value


def _key(agent: AgentName | None) -> tuple[str, str] | None:
    return None if agent is None else (agent.account, agent.path)
