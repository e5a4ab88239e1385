"""Which agents evidence entitles to: entries all of whose selectors the workload has. Pure."""

from collections.abc import Mapping, Sequence

from issuer.errors import NotEntitledError
from issuer.issuance.model import Candidate, IssuanceRequest


def match(request: IssuanceRequest, candidates: Mapping[str, Sequence[Candidate]]) -> tuple[Candidate, ...]:
    """The most specific entry for each agent, the agents with the most specific entries first.

    Args:
        request: what the evidence showed, who presented it, and which agent is asked for.
        candidates: active entries by the selector they are looked up by.

    Raises:
        NotEntitledError: no entry matches (`no_entry`), or several agents' do where one was needed (`ambiguous_agent`).
    """
    agent = None if request.agent is None else str(request.agent)
    best: dict[int, Candidate] = {}
    for candidate in sorted(_matching(request, candidates), key=_specificity):
        if agent is None or candidate.agent == agent:
            best.setdefault(candidate.agent_id, candidate)
    if not best:
        direct = request.caller.sidecar_id is None
        entry = "no direct registration entry" if direct else "no registration entry under this sidecar"
        raise NotEntitledError(
            f"{entry} matches the workload{f' for agent {agent}' if agent else ''}",
            hint="compare its selectors, which the audit log has, with `remit entry list`",
        )
    if len(best) > 1 and (request.single or request.task is not None):
        names = ", ".join(candidate.agent for candidate in list(best.values())[:5])
        raise NotEntitledError("the workload is several agents", code="ambiguous_agent", hint=f"name one of {names}")
    return tuple(best.values())


def _matching(request: IssuanceRequest, candidates: Mapping[str, Sequence[Candidate]]) -> list[Candidate]:
    return [
        candidate
        for anchor in request.selectors & candidates.keys()
        for candidate in candidates[anchor]
        if candidate.sidecar_id == request.caller.sidecar_id and candidate.selectors <= request.selectors
    ]


def _specificity(candidate: Candidate) -> tuple[int, str, int | str]:
    return -len(candidate.selectors), candidate.agent, candidate.link.id
