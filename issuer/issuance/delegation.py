"""The decision on a delegation: an agent's token becomes one for its sub-agent, by the parent's word alone. Pure.

What the child gets is the parent's, never more: the scope of the parent's *token* (which may be less than its grant), its task, its
person, its key, its end, and the state of everything that the parent's authority rests on.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from attestors.errors import EvidenceRefusedError
from issuer.errors import NotEntitledError
from issuer.issuance.chain import (
    earliest,
    encoded,
    links_of,
    require_active,
    require_person,
    require_room,
    usable,
)
from issuer.issuance.decision import Above, ceilings_of
from issuer.issuance.model import (
    Basis,
    Delegation,
    HeldGrant,
    HeldKey,
    IssuanceRequest,
    Link,
    Node,
    Opening,
    PlannedGrant,
)
from issuer.registry.ceilings import within
from issuer.registry.requests import MAX_SUB_AGENT_DEPTH
from issuer.registry.state import StatusValue
from remit.errors import ScopeRefusedError
from remit.ids import AgentName
from remit.scope import SpendScope

MAX_SUB_AGENTS: Final = 1000
"""Most sub-agents of one agent that are not revoked; a delegation makes no further one."""

MAX_ASSERTED: Final = 10_000
"""Most sub-agents that exist by their parents' word below one agent that an operator registered, at whatever depth."""

MAX_NAME: Final = 64
"""Most characters of the name that a delegation gives a sub-agent."""


MAX_FULL_NAME: Final = 1024
"""Most characters of its full name."""


class Delegable(Struct, frozen=True, kw_only=True):
    """What the database says of a delegation.

    Attributes:
        chain: the account, the parent's ancestors, the parent, and the sub-agent if it is there.
        known: whether the sub-agent is there.
        living: how many sub-agents of the parent are not revoked, and how many there are in all by their parents' word below the first
            agent; counted only when the sub-agent is not there.
        parent: the grant of the parent's token, with the grants above it, or None.
        status: what the status list says of the parent's token.
        own: the sub-agent's grant for just this, whatever its state, or None.
        above: the agents above the one whose own grant all that was delegated from, the first of the account first.
        sidecar: the sidecar that asks, or None: the parent itself does.
        key: the key that the parent's token is bound to, if that still is somebody's, or None. It may be an agent's further up.
        person: the person on whose behalf the parent acts, or None.
        person_digest: which person that is, or None.
        room: whether a grant for one more task of the sub-agent may be opened.
    """

    chain: tuple[Node, ...]
    known: bool
    living: tuple[int, int]
    parent: HeldGrant | None
    status: StatusValue
    own: HeldGrant | None
    above: tuple[Above, ...]
    sidecar: Link | None
    key: HeldKey | None
    person: Node | None
    person_digest: str | None
    room: bool


def check_name(request: IssuanceRequest, delegation: Delegation) -> AgentName:
    """Return the sub-agent that is asked for: right below the parent, not too deep, its name not too long.

    Raises:
        NotEntitledError: it is not (`not_a_sub_agent`, `depth_exceeded`).
    """
    agent, parent = request.agent, delegation.agent
    if agent is None or agent.parent != parent:
        raise NotEntitledError(
            f"this token delegates to sub-agents of {parent} only",
            code="not_a_sub_agent",
            hint=f"name it as {parent}/sub/NAME; its own sub-agents get theirs with its token",
        )
    if agent.depth > MAX_SUB_AGENT_DEPTH:
        raise NotEntitledError(
            f"a sub-agent of {parent} would be more than {MAX_SUB_AGENT_DEPTH} agents deep",
            code="depth_exceeded",
            hint="delegate from an agent further up",
        )
    if len(agent.path.rpartition("/")[2]) > MAX_NAME or len(str(agent)) > MAX_FULL_NAME:
        raise NotEntitledError(
            f"the sub-agent's name is longer than {MAX_NAME} characters, or {MAX_FULL_NAME} with those above it",
            code="not_a_sub_agent",
            hint="shorten it",
        )
    return agent


def task_of(request: IssuanceRequest, delegation: Delegation) -> str | None:
    """The task of the child's token: the parent's if that has one.

    Raises:
        NotEntitledError: another one is asked for (`task_mismatch`).
    """
    if delegation.task is None or request.task in (None, delegation.task):
        return delegation.task or request.task
    raise NotEntitledError(
        f"the parent's token is for task {delegation.task}, and so is what it delegates",
        code="task_mismatch",
        hint="leave task out, or delegate from a token of the other task",
    )


def decide_delegation(request: IssuanceRequest, delegation: Delegation, held: Delegable, now: int) -> Basis | Opening:
    """Decide on a credential for a sub-agent.

    Args:
        request: what is asked for; its name and task have been checked.
        delegation: the parent's token.
        held: what that rests on.
        now: unix seconds.

    Returns:
        Why it may be issued, or what must be opened before.

    Raises:
        NotEntitledError: something in the chain is not active (`agent_not_active`, `person_not_active`), no grant is (`no_grant`),
            the key that the parent's token is bound to was rotated or revoked (`no_agent_key`),
            or there are too many (`too_many_sub_agents`, `too_many_tasks`).
        EvidenceRefusedError: the parent's token was revoked by itself.
        ScopeRefusedError: more was asked for than the parent's token, or the grant delegated first, allows (`scope_too_wide`).
    """
    require_active(held.chain)
    require_person(held.person)
    parent = usable(held.parent, now, f"agent {delegation.agent}")
    if held.status is not StatusValue.VALID:
        raise EvidenceRefusedError("the parent's token was revoked or suspended", hint="get another one")
    if delegation.jkt is not None and held.key is None:
        raise NotEntitledError(
            "the key that the parent's token is bound to is nobody's any more",
            code="no_agent_key",
            hint="get a token that is bound to the new key",
        )
    ceilings, standing_above = ceilings_of(held.above, now)
    agent, ceiling = str(request.agent), within(SpendScope.parse(delegation.scope), ceilings)
    if held.own is None:
        planned = PlannedGrant(
            task_of(request, delegation),
            encoded(ceiling.narrow(request.scope)),
            parent.funding,
            delegated=True,
        )
        _require_place(agent, held)
        return Opening(request, agent, parent, planned, _links(held, [parent, *standing_above]))
    own = usable(held.own, now)
    scope = encoded(_within_both(ceiling, SpendScope.parse(own.scope), request.scope))
    rests_on = _links(held, [own, *standing_above])
    if own.index is None:
        return Opening(request, agent, own, None, rests_on)
    ends_at = earliest(own.ends_at, *[above.ends_at for above in standing_above])
    return Basis(agent, None, own, own.index, scope, ends_at, rests_on, held.key, held.person_digest)


def _within_both(token: SpendScope, grant: SpendScope, requested: SpendScope | None) -> SpendScope:
    """What is asked for, within the parent's token and within the grant that was delegated first.

    Who asks for nothing in particular gets all that the grant has, if the token covers it; else all that the token has.
    """
    if requested is None and grant.is_subset_of(token):
        return grant
    asked = token.narrow(requested)
    try:
        return grant.narrow(asked)
    except ScopeRefusedError as error:
        raise ScopeRefusedError(
            error.detail,
            code=error.code,
            hint="what was delegated to this sub-agent first bounds it, for as long as the parent has the same grant",
        ) from error


def has_place(living: tuple[int, int]) -> bool:
    """Whether one more sub-agent may be made: by how many the parent has, and how many there are below the first agent."""
    children, asserted = living
    return children < MAX_SUB_AGENTS and asserted < MAX_ASSERTED


def _require_place(agent: str, held: Delegable) -> None:
    if not held.known and not has_place(held.living):
        raise NotEntitledError(
            f"the parent has {MAX_SUB_AGENTS} sub-agents, or the first agent above has {MAX_ASSERTED} below it",
            code="too_many_sub_agents",
            hint="delegate to one of them again, or revoke those that are done",
        )
    require_room(agent, room=held.room)


def _links(held: Delegable, grants: Sequence[HeldGrant]) -> frozenset[Link]:
    """Own and parent's grants are one line."""
    person, key = held.person, held.key
    others = (held.sidecar, None if key is None else key.link, None if person is None else person.link)
    return links_of(held.chain, grants, others)
