"""What is told of an open task. Times are seconds since the epoch."""

from typing import Final

import msgspec

from issuer.registry.state import State

LINGERING_SECONDS: Final = 3600
"""A task lingers when nobody has held a token for it for so long, unless a caller says otherwise."""


NEVER: Final = 9_007_199_254_740_991
"""Beyond every time: the place in the list of what does not end by itself."""


class OpenTask(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's grant for a task that has neither ended nor been revoked.

    Attributes:
        task: its name.
        agent: the agent's full name.
        account: the account that pays.
        grant: the grant's id.
        owner: who is accountable for it.
        delegated: whether the agent has it from its parent agent.
        state: what the grant is worth, given everything above it.
        opened_at: when it was opened.
        expires_at: when it ends by itself, or None.
        last_token_ends_at: when its last token ends or ended; None: it had none so far.
    """

    task: str
    agent: str
    account: str
    grant: str
    owner: str
    delegated: bool
    state: State
    opened_at: int
    expires_at: int | None
    last_token_ends_at: int | None

    @property
    def unused_since(self) -> int:
        """Since when nobody has held a token for it."""
        return self.opened_at if self.last_token_ends_at is None else self.last_token_ends_at

    @property
    def cursor(self) -> str:
        """Its place in the list of open tasks."""
        return f"{NEVER if self.expires_at is None else self.expires_at}:{self.grant}"


class TaskQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which open tasks to read.

    Attributes:
        account: only of this account, or None for all.
        agent: only of this agent (its full name), or None for all.
        unused_since: only tasks that nobody has held a token for since before this time; None for all.
        after: the cursor of the last one of the page before.
        limit: at most so many.
    """

    account: str | None = None
    agent: str | None = None
    unused_since: int | None = None
    after: str = ""
    limit: int = 100
