"""Bulk import: up to a thousand records of any kinds in one transaction, all or none."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from issuer.changes import Change
from issuer.registry.accounts import register_accounts, register_agents
from issuer.registry.entries import register_entries
from issuer.registry.grants import register_grants
from issuer.registry.requests import NewAccount, NewAgent, NewEntry, NewGrant
from issuer.storage import Transaction

MAX_RECORDS: Final = 1000
"""Most records of one import."""


class AccountRecord(NewAccount, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="account", tag_field="kind"):
    """An account among the records of an import."""


class AgentRecord(NewAgent, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="agent", tag_field="kind"):
    """An agent among the records of an import."""


class EntryRecord(NewEntry, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="entry", tag_field="kind"):
    """An entry among the records of an import."""


class GrantRecord(NewGrant, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="grant", tag_field="kind"):
    """A grant among the records of an import."""


Record = AccountRecord | AgentRecord | EntryRecord | GrantRecord


class Import(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Records to register. Their order does not matter: accounts come first, then agents, entries and grants."""

    records: Annotated[list[Record], msgspec.Meta(min_length=1, max_length=MAX_RECORDS)]


class Imported(msgspec.Struct, frozen=True):
    """What an import registered.

    Attributes:
        created: how many, by kind.
    """

    created: dict[str, int]


async def import_records(tx: Transaction, change: Change, records: Sequence[Record]) -> Imported:
    """Register all `records`; raises what registering one of them alone would, and then none is registered."""
    accounts = [record for record in records if isinstance(record, AccountRecord)]
    agents = [record for record in records if isinstance(record, AgentRecord)]
    entries = [record for record in records if isinstance(record, EntryRecord)]
    grants = [record for record in records if isinstance(record, GrantRecord)]
    if accounts:
        await register_accounts(tx, change, accounts)
    if agents:
        await register_agents(tx, change, agents)
    if entries:
        await register_entries(tx, change, entries)
    if grants:
        await register_grants(tx, change, grants)
    counts = {"account": len(accounts), "agent": len(agents), "entry": len(entries), "grant": len(grants)}
    return Imported({kind: count for kind, count in counts.items() if count})
