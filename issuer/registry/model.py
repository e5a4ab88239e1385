"""The registry's values, as they are stored and shown. Times are seconds since the epoch."""

import msgspec

from issuer.registry.state import State


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The parent that owns and pays.

    Attributes:
        name: unique, never used again.
        owner: who is accountable for it.
        contact: how to reach them.
        state: its own state.
        created_at: when it was registered.
    """

    name: str
    owner: str
    contact: str | None
    state: State
    created_at: int


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """An AI agent that has an identity.

    Attributes:
        agent: its full name, `acme/planner`.
        account: the account it belongs to.
        owner: who is accountable for it.
        description: what it is for.
        parent_asserted: whether its parent made it by delegating to it, and nobody registered it.
        state: its own state; what is above it may be worse.
        created_at: when it was registered.
    """

    agent: str
    account: str
    owner: str
    description: str | None
    parent_asserted: bool = False
    state: State
    created_at: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A registration entry: a workload that has all these selectors acts for this agent.

    Attributes:
        id: its name.
        agent: the agent's full name.
        selectors: sorted, never empty.
        sidecar: the sidecar whose workloads it is for, or None for workloads that come without one.
        ttl_seconds: the longest life of tokens issued by it, or None for the issuer's own.
        bound: whether tokens issued by it are bound to the agent's key.
        state: a deleted entry is revoked.
        created_at: when it was registered.
    """

    id: str
    agent: str
    selectors: tuple[str, ...]
    sidecar: str | None
    ttl_seconds: int | None
    bound: bool
    state: State
    created_at: int


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """One agent's authority for one task, or its standing authority.

    Attributes:
        id: its name.
        agent: the agent's full name.
        account: the account that pays.
        parent: the id of the grant that it was opened under or delegated from, or None.
        delegated: whether it was delegated from the parent agent's grant.
        on_behalf: whether it is on behalf of a person; who that is nobody is told.
        task: the task that it is for, or None for standing authority.
        scope: the spend scope, in its wire form.
        funding: `jit` when it was opened for a task as it came, `standing` when it was given ahead.
        owner: who is accountable for it.
        expires_at: when it ends by itself, or None.
        status_list: the list that its tokens name; None with `status_index` until the next issuance draws a fresh one.
        status_index: the index in that list.
        state: its own state.
        effective: what it is worth, given everything above it.
        created_at: when it was registered.
    """

    id: str
    agent: str
    account: str
    parent: str | None = None
    delegated: bool = False
    on_behalf: bool = False
    task: str | None
    scope: msgspec.Raw
    funding: str
    owner: str
    expires_at: int | None
    status_list: int | None
    status_index: int | None
    state: State
    effective: State
    created_at: int


class Sidecar(msgspec.Struct, frozen=True, kw_only=True):
    """A sidecar.

    Attributes:
        name: unique, never used again.
        state: only an active one is served.
        created_at: when its first join token was made.
        joined_at: when it last joined, or None.
        seen_at: when it last asked for something, or None.
    """

    name: str
    state: State
    created_at: int
    joined_at: int | None
    seen_at: int | None


class JoinToken(msgspec.Struct, frozen=True, kw_only=True):
    """A join token, shown once.

    Attributes:
        token: the secret.
        sidecar: who joins with it.
        expires_at: when it stops working.
    """

    token: str
    sidecar: str
    expires_at: int


class OperatorCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A new operator's credential, shown once.

    Attributes:
        name: the operator.
        role: what they may do.
        account: the only account that they see, or None.
        token: the secret.
    """

    name: str
    role: str
    account: str | None
    token: str


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """A relying party that is known by name.

    Attributes:
        name: unique, never used again.
        owner: who is accountable for it.
        audiences: the audiences that are its own, sorted.
        state: only an active one is served.
        created_at: when it was registered.
    """

    name: str
    owner: str
    audiences: tuple[str, ...]
    state: State
    created_at: int

    @property
    def actor(self) -> str:
        """The name in the audit log."""
        return f"provider:{self.name}"


class ProviderCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's credential, shown once.

    Attributes:
        name: the provider.
        audiences: the audiences that are its own.
        owner: who is accountable for it.
        credential: the secret.
    """

    name: str
    audiences: tuple[str, ...]
    owner: str
    credential: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list to read.

    Attributes:
        after: the cursor that the last part ended with; "" for the first.
        limit: at most so many items.
    """

    after: str = ""
    limit: int = 100
