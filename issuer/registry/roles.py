"""Who may do what: one table.

A viewer reads; an operator also registers, suspends, resumes and revokes; an admin also manages operators and keys. One who
is limited to an account sees that account only, and may suspend, resume and revoke its agents and grants; what concerns
several accounts (registering, sidecars, operators, keys) is not for them.
"""

from enum import StrEnum
from typing import Final

import msgspec

from issuer.errors import NotAllowedError, NotFoundError
from issuer.registry.state import State


class Role(StrEnum):
    """What an operator is there for."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Action(StrEnum):
    """What a route is for."""

    READ = "read"
    OVERSEE = "oversee"
    STOP = "suspend, resume or revoke"
    REGISTER = "register"
    ADMINISTER = "administer"


_EVERYONE: Final = frozenset(Role)
_OPERATORS: Final = frozenset({Role.OPERATOR, Role.ADMIN})
_ADMINS: Final = frozenset({Role.ADMIN})

# action: the roles that may, and whether one who is limited to an account may, within it
_ALLOWED: Final = {
    Action.READ: (_EVERYONE, True),
    Action.OVERSEE: (_EVERYONE, False),
    Action.STOP: (_OPERATORS, True),
    Action.REGISTER: (_OPERATORS, False),
    Action.ADMINISTER: (_ADMINS, False),
}


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who operates the issuer.

    Attributes:
        name: unique, never used again.
        role: what they may do.
        account: the only account that they see and touch, or None for all.
        state: only an active one is admitted.
        created_at: seconds since the epoch.
    """

    name: str
    role: Role
    account: str | None = None
    state: State = State.ACTIVE
    created_at: int = 0

    @property
    def actor(self) -> str:
        """The name in the audit log."""
        return f"operator:{self.name}"

    def require(self, action: Action) -> None:
        """Return when this operator may do `action` at all.

        Raises:
            NotAllowedError: the role does not cover it, or it concerns more than their account.
        """
        roles, within_account = _ALLOWED[action]
        if self.role not in roles:
            needed = " or ".join(sorted(roles))
            raise NotAllowedError(f"a {self.role.value} may not {action.value}", hint=f"ask for the role {needed}")
        if self.account is not None and not within_account:
            raise NotAllowedError(
                f"an operator of one account may not {action.value}", hint="ask an operator who is not limited to it"
            )

    def require_sight(self, account: str | None, what: str) -> None:
        """Return when this operator sees `account` (None: what is of no account).

        Raises:
            NotFoundError: they do not; to them it looks as if `what` did not exist.
        """
        if self.account is not None and self.account != account:
            raise NotFoundError(f"there is no {what}")
