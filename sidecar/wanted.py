"""What a workload asks for, before it counts: the bounds of each word, and what its launch says in its place."""

import msgspec

from remit.errors import InvalidInputError
from remit.ids import AgentName, check_task
from sidecar.errors import IssuerRefusedError
from sidecar.evidence import Evidence
from sidecar.issue import TokenRequest

_MAX_AUDIENCE = 2048
_MAX_WORDS = 4096
_MAX_PERSON_TOKEN = 16384


def as_launched(evidence: Evidence, request: TokenRequest) -> TokenRequest:
    """The request with what the launch says: its agent and no other, and its task where the workload names none.

    Raises:
        IssuerRefusedError: the workload was launched as another agent (code `no_entry`).
    """
    if evidence.agent is None or (evidence.agent == request.agent and evidence.task is None):
        return request
    if request.agent not in (None, evidence.agent):
        raise IssuerRefusedError(
            f"this workload was launched as {evidence.agent}", code="no_entry", status=403, hint="leave the agent out"
        )
    request = msgspec.structs.replace(request, agent=evidence.agent)
    if evidence.task is None or request.task is not None:
        return request
    ttl_seconds = request.task_ttl_seconds or evidence.task_ttl_seconds
    return msgspec.structs.replace(request, task=evidence.task, task_ttl_seconds=ttl_seconds)


def check(request: TokenRequest) -> None:
    """Refuse what would only fail at the issuer, where it may share a batch with others.

    Raises:
        InvalidInputError: an empty audience, something that is too long, or a name of a task or a sub-agent that is none.
    """
    person = request.on_behalf_of.text if request.on_behalf_of is not None else None
    words: tuple[tuple[str, str | None, int], ...] = (
        ("audience", request.audience, _MAX_AUDIENCE),
        ("agent", request.agent, _MAX_AUDIENCE),
        ("task", request.task, _MAX_AUDIENCE),
        ("reason", request.reason, _MAX_WORDS),
        ("on_behalf_of", person, _MAX_PERSON_TOKEN),
        ("sub_agent", request.sub_agent, _MAX_AUDIENCE),
    )
    for name, value, longest in words:
        if value is not None and not 0 < len(value) <= longest:
            raise InvalidInputError(f"{name} must have 1 to {longest} characters", code="malformed_request")
    if request.task is not None:
        check_task(request.task)
    if request.sub_agent is not None:
        _check_sub_agent(request.sub_agent)


def _check_sub_agent(name: str) -> None:
    try:
        AgentName.parse(f"account/{name}")
    except InvalidInputError:
        raise InvalidInputError(
            f"no valid name of a sub-agent: {name[:64]!r}",
            hint="name it from the agent on, without the agent's own name: reader, or reader/sub/pages",
        ) from None
