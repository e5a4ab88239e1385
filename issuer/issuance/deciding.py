"""All decisions of a batch on one snapshot: a handful of reads, however many requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from issuer.errors import UnauthenticatedError
from issuer.issuance import store
from issuer.issuance.decision import Held, decide
from issuer.issuance.matching import match
from issuer.issuance.model import Basis, Candidate, Entitlement, HeldGrant, HeldKey, IssuanceRequest, Link, Opening
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
    decider = _Decider(
        tx=tx,
        now=now,
        chains=await store.chains(tx, agents),
        standing=await store.standing_grants(tx, agents),
        keys=await store.active_keys(tx, {entry.agent_id for entry in entitling if entry.bound}),
        sidecars=await store.sidecars(tx, _asking(requests)),
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
    sidecars: Mapping[int, Link]
    max_open_tasks: int

    async def decide(self, request: IssuanceRequest, entries: Sequence[Candidate]) -> Verdict:
        """Every step that is possible; when none is, the refusal of the most specific entry."""
        sidecar_id = request.caller.sidecar_id
        sidecar = None if sidecar_id is None else self.sidecars.get(sidecar_id)
        if sidecar_id is not None and sidecar is None:
            return UnauthenticatedError("the sidecar is not active", code="session_invalid")
        steps: list[Basis | Opening] = []
        refusals: list[RemitError] = []
        for entry in entries:
            held = await self._held(request, entry, sidecar)
            try:
                steps.append(decide(Entitlement(request, entry, self.chains[entry.agent_id]), held, self.now))
            except RemitError as error:
                refusals.append(error)
        return steps or refusals[0]

    async def _held(self, request: IssuanceRequest, entry: Candidate, sidecar: Link | None) -> Held:
        own, room = None, True
        if request.task is not None:
            own = await store.task_grant(self.tx, entry.agent_id, request.task)
            room = own is not None or await store.open_tasks(self.tx, entry.agent_id, self.now) < self.max_open_tasks
        return Held(self.standing.get(entry.agent_id), own, sidecar, room, self._key(request, entry))

    def _key(self, request: IssuanceRequest, entry: Candidate) -> HeldKey | None:
        """The key that the workload can use: the agent's own, or the one that its own sidecar holds."""
        hands = (None, request.caller.sidecar_id)
        return next((key for key in self.keys.get(entry.agent_id, ()) if key.sidecar_id in hands), None)


def _outcome_of_matching(
    request: IssuanceRequest, candidates: dict[str, list[Candidate]]
) -> Sequence[Candidate] | RemitError:
    try:
        return match(request, candidates)
    except RemitError as error:
        return error


def _asking(requests: Sequence[IssuanceRequest]) -> set[int]:
    return {request.caller.sidecar_id for request in requests if request.caller.sidecar_id is not None}
