"""The decision on one entitlement: whose authority, how much of it, until when. Pure: values in, a value or a refusal out."""

from dataclasses import replace
from functools import lru_cache
from typing import Final, Literal, NoReturn

from msgspec import Struct

from attestors.errors import EvidenceRefusedError
from issuer.errors import NotEntitledError
from issuer.issuance.model import Basis, Decision, Entitlement, HeldGrant, HeldKey, IssuanceRequest, Link, Opening
from issuer.registry.requests import MAX_SCOPE_BYTES
from issuer.registry.state import State, effective
from remit.errors import ScopeRefusedError
from remit.scope import SpendScope

_SHORTEST_SECONDS: Final = 3
"""Evidence that ends sooner is refused: its token would be over before it reaches a provider."""


class Terms(Struct, frozen=True):
    """What bounds every credential of a batch in time.

    Attributes:
        now: unix seconds.
        ttl_seconds: the longest life of an agent token.
        not_after: when the signing key stops being published, or None.
    """

    now: int
    ttl_seconds: int
    not_after: int | None


class Held(Struct, frozen=True):
    """What the agent of an entitlement holds.

    Attributes:
        standing: its standing grant, or None.
        own: its grant for the task that is asked for, whatever its state, or None.
        sidecar: the sidecar that asks, or None for a workload that came by itself.
        room: whether a grant for one more task may be opened.
        key: its key that the workload can use, or None; read for bound entries only.
    """

    standing: HeldGrant | None
    own: HeldGrant | None
    sidecar: Link | None
    room: bool = True
    key: HeldKey | None = None


def decide(entitlement: Entitlement, held: Held, now: int) -> Basis | Opening:
    """Decide on credentials for one agent.

    Args:
        entitlement: who, by which entry.
        held: the grants that may carry the authority.
        now: unix seconds.

    Returns:
        Why they may be issued, or what must be opened before.

    Raises:
        NotEntitledError: something in the chain is not active (`agent_not_active`), no grant is (`no_grant`),
            the entry binds tokens to a key and there is none (`no_agent_key`),
            or the agent has too many open tasks (`too_many_tasks`).
        ScopeRefusedError: more was asked for than the grant allows (`scope_too_wide`).
    """
    _require_active(entitlement)
    _require_key(entitlement, held.key)
    task = entitlement.request.task
    if task is not None and held.own is None:
        opening = _opening(entitlement, _usable(held.standing, now), task, held)
        if not held.room:
            raise NotEntitledError(
                f"agent {entitlement.entry.agent} has too many open tasks",
                code="too_many_tasks",
                hint="revoke those that are done with `remit revoke task:NAME`, or wait until they end",
            )
        return opening
    grant = _usable(held.standing if task is None else held.own, now)
    scope = narrowed(grant.scope, grant.funding, entitlement.request.scope)
    rests_on = _links(entitlement, grant, held)
    if grant.index is None:
        return Opening(entitlement, grant, None, scope, rests_on)
    return Basis(entitlement.entry, grant, grant.index, scope, _end(grant), rests_on, held.key)


def date(request: IssuanceRequest, basis: Basis, terms: Terms) -> Decision:
    """The credential that `basis` allows now: it outlives neither grant nor evidence nor the key that signs it.

    Raises:
        NotEntitledError: the grant has expired (`no_grant`).
        EvidenceRefusedError: the evidence ends now (`evidence_expired`); attestors still take it for the clock leeway.
    """
    evidence_ends = request.appraisal.expires_at
    if evidence_ends is not None and evidence_ends < terms.now + _SHORTEST_SECONDS:
        raise EvidenceRefusedError(
            "the evidence ends before a token could be used", code="evidence_expired", hint="get fresh evidence"
        )
    if basis.ends_at is not None and basis.ends_at <= terms.now:
        _expired(basis.grant)
    life = _earliest(terms.ttl_seconds, basis.entry.ttl_seconds, request.ttl_seconds) or terms.ttl_seconds
    until = terms.now + life
    ends = _earliest(until, basis.ends_at, evidence_ends, terms.not_after) or until
    return Decision(request, basis, terms.now, ends)


@lru_cache(maxsize=4096)
def narrowed(scope: str, funding: Literal["jit", "standing"], requested: SpendScope | None) -> bytes:
    """A grant's spend scope, its funding named, narrowed to what was asked; encoded.

    Raises:
        ScopeRefusedError: more was asked for than the grant allows (`scope_too_wide`), or in too many words
            (`scope_too_large`).
    """
    encoded = replace(SpendScope.parse(scope), funding=funding).narrow(requested).encode()
    if len(encoded) > MAX_SCOPE_BYTES:
        raise ScopeRefusedError(
            f"the spend scope takes more than {MAX_SCOPE_BYTES} bytes, too much for a token",
            code="scope_too_large",
            hint="name less: a location that ends in / covers all below it",
        )
    return encoded


def _opening(entitlement: Entitlement, standing: HeldGrant, task: str, held: Held) -> Opening:
    scope = narrowed(standing.scope, "jit", entitlement.request.scope)
    return Opening(entitlement, standing, task, scope, _links(entitlement, standing, held))


def _require_active(entitlement: Entitlement) -> None:
    for node in entitlement.chain:
        if node.state is not State.ACTIVE:
            raise NotEntitledError(
                f"{node.label} is {node.state}",
                code="agent_not_active",
                hint="an operator can resume it" if node.state is State.SUSPENDED else "revoked is final",
            )


def _require_key(entitlement: Entitlement, key: HeldKey | None) -> None:
    if entitlement.entry.bound and key is None:
        raise NotEntitledError(
            f"tokens of agent {entitlement.entry.agent} are bound to its key, and none is registered",
            code="no_agent_key",
            hint="ask the sidecar over its own API, which makes and registers one, or register one at /v1/keys",
        )


def _usable(grant: HeldGrant | None, now: int) -> HeldGrant:
    """Return `grant` when it carries authority now; its opener's state counts as its own."""
    if grant is None:
        _no_grant("the agent has no standing grant", "create one with `remit grant create`")
    state = effective([grant.state, *([grant.opener.state] if grant.opener else [])])
    if state is not State.ACTIVE:
        _no_grant(
            f"{_named(grant)} is {state}",
            "an operator can resume it" if state is State.SUSPENDED else "revoked is final",
        )
    ends = _end(grant)
    if ends is not None and ends <= now:
        _expired(grant)
    return grant


def _end(grant: HeldGrant) -> int | None:
    """When the grant ends by itself, or the one it was opened under."""
    return _earliest(grant.expires_at, None if grant.opener is None else grant.opener.expires_at)


def _earliest(*times: int | None) -> int | None:
    return min([time for time in times if time is not None], default=None)


def _links(entitlement: Entitlement, grant: HeldGrant, held: Held) -> frozenset[Link]:
    links = [node.link for node in entitlement.chain]
    links += [entitlement.entry.link, grant.link]
    links += [] if grant.opener is None else [grant.opener.link]
    links += [] if held.sidecar is None else [held.sidecar]
    links += [] if held.key is None else [held.key.link]
    return frozenset(links)


def _named(grant: HeldGrant) -> str:
    return f"grant {grant.id}" if grant.task is None else f"grant {grant.id} for task {grant.task}"


def _expired(grant: HeldGrant) -> NoReturn:
    _no_grant(f"{_named(grant)} has expired", "create another one with `remit grant create`")


def _no_grant(detail: str, hint: str) -> NoReturn:
    raise NotEntitledError(detail, code="no_grant", hint=hint)
