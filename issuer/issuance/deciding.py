"""All decisions of a batch on one snapshot: a handful of reads, however many requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec import structs

from issuer.errors import UnauthenticatedError
from issuer.issuance import store
from issuer.issuance.decision import Above, Held, decide
from issuer.issuance.delegable import delegable
from issuer.issuance.delegation import decide_delegation
from issuer.issuance.matching import match
from issuer.issuance.model import (
    Basis,
    Caller,
    Candidate,
    Delegation,
    Entitlement,
    HeldGrant,
    HeldKey,
    IssuanceRequest,
    Link,
    Opening,
)
from issuer.persons import OnBehalf
from issuer.persons.store import find_person
from issuer.storage import Transaction
from remit.errors import RemitError

Verdict = Sequence[Basis | Opening] | RemitError
"""What one request gets: a step for each agent, at least one, or why nothing."""


async def decide_all(
    tx: Transaction, requests: Sequence[IssuanceRequest], now: int, *, max_open_tasks: int
) -> list[Verdict]:
    """Decide on each of `requests`, in their order.

    Args:
        tx: one snapshot.
        requests: what is asked at the same time.
        now: unix seconds.
        max_open_tasks: with so many an agent gets no further task opened.
    """
    candidates = await store.candidates(tx, {selector for request in requests for selector in request.selectors})
    matched = [_outcome_of_matching(request, candidates) for request in requests]
    entitling = [entry for entries in matched if not isinstance(entries, RemitError) for entry in entries]
    agents = {entry.agent_id for entry in entitling}
    chains = await store.chains(tx, agents)
    decider = _Decider(
        tx=tx,
        now=now,
        chains=chains,
        standing=await store.standing_grants(tx, agents | _above(chains)),
        keys=await store.active_keys(tx, {entry.agent_id for entry in entitling if entry.bound}),
        sidecars=await store.sidecars(tx, {request.caller for request in requests}),
        max_open_tasks=max_open_tasks,
    )
    return [
        entries if isinstance(entries, RemitError) else await decider.decide(request, entries)
        for request, entries in zip(requests, matched, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Decider:
    """What the decisions of one batch share."""

    tx: Transaction
    now: int
    chains: Mapping[int, store.Chain]
    standing: Mapping[int, HeldGrant]
    keys: Mapping[int, Sequence[HeldKey]]
    sidecars: Mapping[Caller, Link]
    max_open_tasks: int

    async def decide(self, request: IssuanceRequest, entries: Sequence[Candidate]) -> Verdict:
        """Every step that is possible; when none is, the refusal of the most specific entry."""
        sidecar = self.sidecars.get(request.caller)
        if request.caller.sidecar_id is not None and sidecar is None:
            return UnauthenticatedError("the sidecar is not active", code="session_invalid")
        if request.delegation is not None:
            return await self._delegate(request, request.delegation, sidecar)
        steps: list[Basis | Opening] = []
        refusals: list[RemitError] = []
        for entry in entries:
            held = await self._held(request, entry, sidecar)
            try:
                steps.append(decide(Entitlement(request, entry, self.chains[entry.agent_id]), held, self.now))
            except RemitError as error:
                refusals.append(error)
        return steps or refusals[0]

    async def _delegate(self, request: IssuanceRequest, delegation: Delegation, sidecar: Link | None) -> Verdict:
        try:
            held = await delegable(self.tx, request, delegation, sidecar, self._has_room)
            return [decide_delegation(request, delegation, held, self.now)]
        except RemitError as error:
            return error

    async def _held(self, request: IssuanceRequest, entry: Candidate, sidecar: Link | None) -> Held:
        """What the agent holds for this request; what is usual needs no read of its own."""
        chain, standing = self.chains[entry.agent_id], self.standing.get(entry.agent_id)
        held = Held(standing, None, sidecar, self._standing_above(chain), key=self._key(request, entry))
        if request.person is not None:
            return await self._held_for_person(request.person, request.task, entry.agent_id, held)
        if request.task is None:
            return held
        own = await store.task_grant(self.tx, entry.agent_id, request.task)
        room = own is not None or await self._has_room(entry.agent_id)
        over = own is None and await store.task_is_over(self.tx, entry.agent_id, request.task)
        return structs.replace(held, grant=own, under=standing, room=room, over=over)

    async def _held_for_person(self, on_behalf: OnBehalf, task: str | None, agent_id: int, held: Held) -> Held:
        """The grant on behalf of a person; it is opened under the agent's own, for the task if that has one."""
        under = None if task is None else await store.task_grant(self.tx, agent_id, task)
        under = under or held.grant
        person = await find_person(self.tx, on_behalf.digest)
        own: HeldGrant | None = None
        if person is not None and task is not None:
            own = await store.task_grant(self.tx, agent_id, task, person.id)
        elif person is not None and under is not None:
            own = await store.person_grant(self.tx, person.id, under)
        room = task is None or own is not None or await self._has_room(agent_id)
        over = task is not None and own is None and await store.task_is_over(self.tx, agent_id, task)
        node = None if person is None else store.person_node(person)
        return structs.replace(held, grant=own, under=under, room=room, over=over, person=node)

    async def _has_room(self, agent_id: int) -> bool:
        return await store.open_tasks(self.tx, agent_id, self.now) < self.max_open_tasks

    def _standing_above(self, chain: store.Chain) -> tuple[Above, ...]:
        """The standing grants of the agents above, which a sub-agent's authority rests on."""
        return tuple(
            Above(node.label.removeprefix("agent "), self.standing.get(int(node.link.id))) for node in chain[1:-1]
        )

    def _key(self, request: IssuanceRequest, entry: Candidate) -> HeldKey | None:
        """The key that the workload can use: the agent's own, or the one that its own sidecar holds."""
        hands = (None, request.caller.sidecar_id)
        return next((key for key in self.keys.get(entry.agent_id, ()) if key.sidecar_id in hands), None)


def _outcome_of_matching(
    request: IssuanceRequest, candidates: dict[str, list[Candidate]]
) -> Sequence[Candidate] | RemitError:
    if request.delegation is not None:
        return ()
    try:
        return match(request, candidates)
    except RemitError as error:
        return error


def _above(chains: Mapping[int, store.Chain]) -> set[int]:
    """The keys of the agents above others."""
    return {int(node.link.id) for chain in chains.values() for node in chain[1:-1]}
