"""Names are used once: what may be registered under a name, and what may be registered below one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn, TypeVar

from issuer.errors import ConflictError, NotFoundError, RetiredNameError
from issuer.registry.state import State

Name = TypeVar("Name")


def refuse_reuse(what: str, state: State) -> NoReturn:
    """Say why a name that is there already, `account acme`, cannot be registered.

    Raises:
        ConflictError: it exists.
        RetiredNameError: it was revoked.
    """
    if state is State.REVOKED:
        raise RetiredNameError(f"{what} was revoked", hint="names are never used again: choose another")
    raise ConflictError(f"{what} exists already")


def refuse_repeats(noun: str, names: Sequence[str]) -> None:
    """Refuse names that come twice in one request; raises ConflictError."""
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise ConflictError(f"{noun} {repeated} comes twice")


def require_living(noun: str, names: Iterable[Name], states: Mapping[Name, State], *, missing: str) -> None:
    """Return when something may be registered below each of `names`.

    Args:
        noun: what they are names of.
        names: what is needed.
        states: what there is.
        missing: what to do about one that is not there.

    Raises:
        NotFoundError: one is not there.
        ConflictError: one is revoked.
    """
    for name in names:
        if name not in states:
            raise NotFoundError(f"there is no {noun} {name}", hint=missing)
        if states[name] is State.REVOKED:
            raise ConflictError(f"{noun} {name} is revoked", hint="register another one")
