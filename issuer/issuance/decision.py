"""The decision on one entitlement: whose authority, how much of it, until when. Pure: values in, a value or a refusal out."""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from attestors.errors import EvidenceRefusedError
from issuer.errors import NotEntitledError
from issuer.issuance.chain import (
    earliest,
    links_of,
    narrowed,
    require_active,
    require_going_on,
    require_person,
    require_room,
    require_unexpired,
    usable,
)
from issuer.issuance.model import (
    Basis,
    Decision,
    Entitlement,
    HeldGrant,
    HeldKey,
    IssuanceRequest,
    Link,
    Node,
    Opening,
    PlannedGrant,
)
from issuer.registry.ceilings import Ceilings

_SHORTEST_SECONDS: Final = 3
"""Evidence that ends sooner is refused: its token would be over before it reaches a provider."""


class Terms(Struct, frozen=True):
    """What bounds every credential of a batch in time, and how persons are called in them.

    Attributes:
        now: unix seconds.
        ttl_seconds: the longest life of an agent token.
        not_after: when the signing key stops being published, or None.
        reference: what an audience (the second) is told of the person with a digest (the first).
    """

    now: int
    ttl_seconds: int
    not_after: int | None
    reference: Callable[[str, str], str]


class Above(Struct, frozen=True):
    """An agent above the one that asks.

    Attributes:
        agent: its full name.
        standing: its standing grant, or None.
    """

    agent: str
    standing: HeldGrant | None


class Held(Struct, frozen=True):
    """What the agent of an entitlement holds.

    Attributes:
        grant: its grant for what is asked for (the task, the person, or neither), whatever its state, or None.
        under: the grant that such a one is opened under, or None.
        sidecar: the sidecar that asks, or None for a workload that came by itself.
        above: the agents above it, the first of the account first.
        room: whether a grant for one more task may be opened.
        over: whether there is no grant for this task any more that is not revoked: then no other is opened, on whoever's behalf.
        key: its key that the workload can use, or None; read for bound entries only.
        person: the person on whose behalf, as far as they are known.
    """

    grant: HeldGrant | None
    under: HeldGrant | None
    sidecar: Link | None
    above: tuple[Above, ...] = ()
    room: bool = True
    over: bool = False
    key: HeldKey | None = None
    person: Node | None = None


def decide(entitlement: Entitlement, held: Held, now: int) -> Basis | Opening:
    """Decide on credentials for one agent.

    Args:
        entitlement: who, by which entry.
        held: the grants that may carry the authority.
        now: unix seconds.

    Returns:
        Why they may be issued, or what must be opened before.

    Raises:
        NotEntitledError: something in the chain is not active (`agent_not_active`, `person_not_active`), no grant is (`no_grant`),
            the entry binds tokens to a key and there is none (`no_agent_key`),
            or the agent has too many open tasks (`too_many_tasks`).
        ScopeRefusedError: more was asked for than the grant allows, or the grant allows more than an agent above has
            (`scope_too_wide`).
    """
    require_active(entitlement.chain)
    require_person(held.person)
    _require_key(entitlement, held.key)
    request, entry = entitlement.request, entitlement.entry
    ceilings, standing_above = ceilings_of(held.above, now)
    opens = held.grant is None and (request.task is not None or request.person is not None)
    grant = usable(held.under if opens else held.grant, now)
    rests_on = _links(entitlement, held, grant, standing_above)
    if opens:
        require_going_on(request.task, over=held.over)
        planned = _planned(request, grant, ceilings)
        require_room(entry.agent, room=held.room)
        return Opening(request, entry.agent, grant, planned, rests_on)
    scope = narrowed(grant.scope, grant.funding, request.scope, ceilings)
    if grant.index is None:
        return Opening(request, entry.agent, grant, None, rests_on)
    ends_at = earliest(grant.ends_at, *[above.ends_at for above in standing_above])
    person = None if request.person is None else request.person.digest
    return Basis(entry.agent, entry, grant, grant.index, scope, ends_at, rests_on, held.key, person)


def date(request: IssuanceRequest, basis: Basis, terms: Terms) -> Decision:
    """The credential that `basis` allows now: it outlives neither grant nor what was shown nor the key that signs it.

    Raises:
        NotEntitledError: the grant has expired (`no_grant`).
        EvidenceRefusedError: what was shown ends now (`evidence_expired`); attestors still take it for the clock leeway.
    """
    shown_ends = request.appraisal.expires_at
    if request.person is not None:
        shown_ends = earliest(shown_ends, request.person.expires_at)
    if shown_ends is not None and shown_ends < terms.now + _SHORTEST_SECONDS:
        raise EvidenceRefusedError(
            "the evidence ends before a token could be used", code="evidence_expired", hint="get fresh evidence"
        )
    require_unexpired(basis.grant, basis.ends_at, terms.now)
    entry_seconds = None if basis.entry is None else basis.entry.ttl_seconds
    until = terms.now + (earliest(terms.ttl_seconds, entry_seconds, request.ttl_seconds) or terms.ttl_seconds)
    ends = earliest(until, basis.ends_at, shown_ends, terms.not_after) or until
    on_behalf_of = None if basis.person is None else terms.reference(basis.person, request.audience)
    return Decision(request, basis, terms.now, ends, on_behalf_of)


def _planned(request: IssuanceRequest, under: HeldGrant, ceilings: Ceilings) -> PlannedGrant:
    """The grant to open: for a task it has what is asked for first; for a person alone, all that the agent's own has."""
    person = None if request.person is None else request.person.digest
    if request.task is None:
        return PlannedGrant(None, narrowed(under.scope, under.funding, None, ceilings), under.funding, person=person)
    return PlannedGrant(request.task, narrowed(under.scope, "jit", request.scope, ceilings), "jit", person=person)


def ceilings_of(above: Sequence[Above], now: int) -> tuple[Ceilings, list[HeldGrant]]:
    """What the agents above may do at most, and by which grants: a sub-agent's authority rests on the standing grant of each.

    Raises:
        NotEntitledError: one of them has none that is active (`no_grant`).
    """
    if not above:
        return (), []
    standing = [usable(each.standing, now, f"agent {each.agent}, above it,") for each in above]
    return tuple((each.agent, grant.scope) for each, grant in zip(above, standing, strict=True)), standing


def _require_key(entitlement: Entitlement, key: HeldKey | None) -> None:
    if entitlement.entry.bound and key is None:
        raise NotEntitledError(
            f"tokens of agent {entitlement.entry.agent} are bound to its key, and none is registered",
            code="no_agent_key",
            hint="ask the sidecar over its own API, which makes and registers one, or register one at /v1/keys",
        )


def _links(entitlement: Entitlement, held: Held, grant: HeldGrant, above: list[HeldGrant]) -> frozenset[Link]:
    person, key = held.person, held.key
    return links_of(
        entitlement.chain,
        [grant, *above],
        (
            entitlement.entry.link,
            held.sidecar,
            None if key is None else key.link,
            None if person is None else person.link,
        ),
    )
