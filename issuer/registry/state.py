"""The state of everything that carries authority, and how the states above a grant decide what it is worth."""

from collections.abc import Iterable
from enum import IntEnum, StrEnum


class State(StrEnum):
    """The state of an account, agent, entry, grant, sidecar or operator. Revoked is final."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class StatusValue(IntEnum):
    """What a status list says of an index (Token Status List draft, section "Status Types")."""

    VALID = 0
    INVALID = 1
    SUSPENDED = 2


_VALUES = {State.ACTIVE: StatusValue.VALID, State.SUSPENDED: StatusValue.SUSPENDED, State.REVOKED: StatusValue.INVALID}


def effective(states: Iterable[State]) -> State:
    """What a chain of authority is worth: revoked if any link is, else suspended if any is, else active.

    An empty chain is no authority: it is revoked.
    """
    present = frozenset(states)
    if State.REVOKED in present or not present:
        return State.REVOKED
    return State.SUSPENDED if State.SUSPENDED in present else State.ACTIVE


def status_value(state: State) -> StatusValue:
    """What the status list says of a grant whose effective state is `state`."""
    return _VALUES[state]
