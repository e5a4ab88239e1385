"""What words were found to mean: rows of the registry, as they are at one moment. Pure."""

import msgspec

from issuer.authority.model import MAX_LISTED, Kind, Resolved
from issuer.registry.state import State, effective
from issuer.status.model import StatusIndex


class HeldGrant(msgspec.Struct, frozen=True):
    """A grant, as far as stopping it needs to know.

    Attributes:
        id: its key.
        agent_id: the key of its agent.
        account: the account that pays.
        agent: the agent's full name.
        task: the task that it is for, or None.
        state: its own state.
        index: the index that its tokens name now, if it has one.
    """

    id: str
    agent_id: int
    account: str
    agent: str
    task: str | None
    state: State
    index: StatusIndex | None


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found.

    Attributes:
        kind: what it is.
        id: its name, as `Resolved.id`.
        key: the key of its row: an account's, an agent's, a sidecar's, a person's; None for others.
        account: the account that it is of, or None.
        agent: the agent that it is of, or None.
        state: its own state.
        above: what the things above it are worth.
        held: the grants that it is: of a grant, a token or a task.
        index: the index that a token names.
        below: ids of the grants that it is or that are below it and not revoked, the first of them.
        below_count: how many there are.
    """

    kind: Kind
    id: str
    key: int | None = None
    account: str | None = None
    agent: str | None = None
    state: State
    above: State = State.ACTIVE
    held: tuple[HeldGrant, ...] = ()
    index: StatusIndex | None = None
    below: tuple[str, ...] = ()
    below_count: int = 0

    @property
    def noun(self) -> str:
        """What people call it: `agent acme/planner`."""
        return f"{self.kind.value} {self.id}"


def of_grants(kind: Kind, name: str, held: tuple[HeldGrant, ...], above: State, index: StatusIndex | None) -> Target:
    """The target that a grant, a token or a task is: one grant or several, all of agents that the caller sees."""
    accounts, agents = {grant.account for grant in held}, {grant.agent for grant in held}
    living = [grant.id for grant in held if grant.state is not State.REVOKED]
    return Target(
        kind=kind,
        id=name,
        account=accounts.pop() if len(accounts) == 1 else None,
        agent=agents.pop() if len(agents) == 1 else None,
        state=least_stopped([grant.state for grant in held]),
        above=above,
        held=held,
        index=index,
        below=tuple(living[:MAX_LISTED]),
        below_count=len(living),
    )


def by_account(target: Target) -> tuple[Target, ...]:
    """The target, if it is of one account; of several, a part for each account that has grants of it left to stop."""
    left: dict[str, list[HeldGrant]] = {}
    for grant in target.held:
        if grant.state is not State.REVOKED:
            left.setdefault(grant.account, []).append(grant)
    if target.account is not None or not left:
        return (target,)
    return tuple(
        of_grants(target.kind, target.id, tuple(held), target.above, target.index) for _, held in sorted(left.items())
    )


def least_stopped(states: list[State]) -> State:
    """The state of several grants taken as one: active while any is."""
    return min(states, key=list(State).index)


def resolved(target: Target) -> Resolved:
    """What an operator is told of it."""
    return Resolved(
        kind=target.kind,
        id=target.id,
        account=target.account,
        agent=target.agent,
        state=target.state,
        above=target.above,
        grants=target.below,
        grant_count=target.below_count,
        description=_description(target),
    )


def _description(target: Target) -> str:
    state = "" if target.state is State.ACTIVE else f", {target.state.value}"
    text = f"{target.noun}{_extent(target)}{state}"
    if effective([target.above]) is not State.ACTIVE and target.state is not State.REVOKED:
        text += f" (what is above it is {target.above.value})"
    return text


def _extent(target: Target) -> str:
    count = f"{target.below_count} grant{'' if target.below_count == 1 else 's'}"
    match target.kind:
        case Kind.ACCOUNT | Kind.AGENT:
            return f" and {count} below it"
        case Kind.TASK:
            return f" with {count}"
        case Kind.GRANT | Kind.TOKEN:
            grant = target.held[0]
            own = "" if target.kind is Kind.GRANT else f", grant {grant.id}"
            return f" of agent {grant.agent}, {f'task {grant.task}' if grant.task else 'standing'}{own}"
        case Kind.PERSON:
            return f", on whose behalf {count} {'is' if target.below_count == 1 else 'are'}"
        case Kind.SIDECAR | Kind.OPERATOR | Kind.PROVIDER | Kind.KEY:
            return ""
