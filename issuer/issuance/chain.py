"""What a chain of authority is worth: account, agents, grants and person must all be active, and none may be outgrown. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Final, Literal, NoReturn

from issuer.errors import NotEntitledError
from issuer.issuance.model import HeldGrant, Link, Node
from issuer.registry.ceilings import Ceilings, within
from issuer.registry.requests import MAX_SCOPE_BYTES
from issuer.registry.state import State
from remit.errors import ScopeRefusedError
from remit.scope import SpendScope

_REVOKED: Final = "revoked is final"
_RESUME: Final = "an operator can resume it"


def require_active(chain: Iterable[Node]) -> None:
    """Return when the account and all agents of `chain` are active; raises NotEntitledError (`agent_not_active`)."""
    for node in chain:
        if node.state is not State.ACTIVE:
            raise NotEntitledError(f"{node.label} is {node.state}", code="agent_not_active", hint=_hint(node.state))


def require_person(person: Node | None) -> None:
    """Return when the person, if there is one that is known, is active; raises NotEntitledError (`person_not_active`)."""
    if person is not None and person.state is not State.ACTIVE:
        raise NotEntitledError(
            f"the person on whose behalf this would be is {person.state}",
            code="person_not_active",
            hint=_hint(person.state),
        )


def require_room(agent: str, *, room: bool) -> None:
    """Return when a grant for one more task of the agent may be opened; raises NotEntitledError (`too_many_tasks`)."""
    if not room:
        raise NotEntitledError(
            f"agent {agent} has too many open tasks",
            code="too_many_tasks",
            hint="end those that are done with `remit task complete NAME`, or wait until they end",
        )


def require_going_on(task: str | None, *, over: bool) -> None:
    """Return when a grant for `task` may be opened; raises NotEntitledError (`no_grant`): it is over."""
    if over:
        _no_grant(f"task {task} of the agent is over", "use another task")


def usable(grant: HeldGrant | None, now: int, whose: str = "the agent") -> HeldGrant:
    """Return `grant` when it carries authority now.

    Raises:
        NotEntitledError: there is none, or it does not (`no_grant`).
    """
    if grant is None:
        _no_grant(f"{whose} has no standing grant", "create one with `remit grant create`")
    if grant.state is not State.ACTIVE:
        _no_grant(f"{_named(grant)} is {grant.state}", _hint(grant.state))
    require_unexpired(grant, grant.ends_at, now)
    return grant


def require_unexpired(grant: HeldGrant, ends_at: int | None, now: int) -> None:
    """Return when what rests on `grant` has not ended by `now`; raises NotEntitledError (`no_grant`)."""
    if ends_at is not None and ends_at <= now:
        _no_grant(f"{_named(grant)} has expired", "create another one with `remit grant create`")


def earliest(*times: int | None) -> int | None:
    """The earliest of the times that there are."""
    return min([time for time in times if time is not None], default=None)


def links_of(chain: Iterable[Node], grants: Iterable[HeldGrant], others: Iterable[Link | None]) -> frozenset[Link]:
    """Everything that a decision rests on: nodes, grants with all that are above them, and whatever else there is."""
    links = [node.link for node in chain]
    links += [each.link for grant in grants for each in grant.line]
    links += [link for link in others if link is not None]
    return frozenset(links)


@lru_cache(maxsize=4096)
def narrowed(
    scope: str, funding: Literal["jit", "standing"], requested: SpendScope | None, ceilings: Ceilings = ()
) -> bytes:
    """A grant's spend scope, its funding named, within those of the agents above, narrowed to what was asked; encoded.

    Raises:
        ScopeRefusedError: more was asked for than the grant allows, or granted than an agent above has (`scope_too_wide`),
            or in too many words (`scope_too_large`).
    """
    return encoded(replace(within(SpendScope.parse(scope), ceilings), funding=funding).narrow(requested))


def encoded(scope: SpendScope) -> bytes:
    """The spend scope of a token or a grant; raises ScopeRefusedError (`scope_too_large`)."""
    text = scope.encode()
    if len(text) > MAX_SCOPE_BYTES:
        raise ScopeRefusedError(
            f"the spend scope takes more than {MAX_SCOPE_BYTES} bytes, too much for a token",
            code="scope_too_large",
            hint="name less: a location that ends in / covers all below it",
        )
    return text


def _named(grant: HeldGrant) -> str:
    return f"grant {grant.id}" if grant.task is None else f"grant {grant.id} for task {grant.task}"


def _hint(state: State) -> str:
    return _RESUME if state is State.SUSPENDED else _REVOKED


def _no_grant(detail: str, hint: str) -> NoReturn:
    raise NotEntitledError(detail, code="no_grant", hint=hint)
