"""`POST /v1/issue`: credentials for the workloads of one sidecar, up to 256 at once.

Each request has its own outcome, in its place: credentials, or a problem document.
"""

import asyncio
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Annotated, Final

import msgspec
from aiohttp import web

from attestors.base import Origin
from issuer.audit.model import AuditRecord, Outcome
from issuer.http.answers import answer
from issuer.http.problems import Problem, problem
from issuer.http.requests import decode, read_body
from issuer.http.scopes import parse_details
from issuer.http.sidecars import SidecarGate
from issuer.issuance import Caller, IssuanceRequest, IssuedCredential
from issuer.services import Services
from remit.errors import RemitError
from remit.ids import AgentName

_MOST: Final = 256
_MAX_PERSON_TOKEN: Final = 16_384
_NULL: Final = msgspec.Raw(b"null")
_agent_name: Final = lru_cache(maxsize=4096)(AgentName.parse)


def _nothing() -> msgspec.Raw:
    """The default of a raw field; as a plain default, its schema could not be made."""
    return _NULL


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for one workload; see `issuer.issuance.IssuanceRequest`. `on_behalf_of` is a person's OIDC token."""

    evidence: msgspec.Raw
    audience: str
    agent: str | None = None
    task: str | None = None
    # a union would lose it: msgspec knows Raw by itself only
    authorization_details: msgspec.Raw = msgspec.field(default_factory=_nothing)
    reason: str | None = None
    ttl_seconds: Annotated[int, msgspec.Meta(ge=1)] | None = None
    task_ttl_seconds: Annotated[int, msgspec.Meta(ge=1)] | None = None
    on_behalf_of: Annotated[str, msgspec.Meta(max_length=_MAX_PERSON_TOKEN)] | None = None


class IssueRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A batch."""

    requests: Annotated[list[Wanted], msgspec.Meta(min_length=1, max_length=_MOST)]


class Issued(msgspec.Struct, frozen=True, omit_defaults=True):
    """One credential.

    `token_type` is `Bearer`, or `DPoP` when it is bound to the agent's key; `key_held_by` then says who signs with that: `agent`
    or `sidecar`, which is the one that asked.
    """

    agent: str
    spiffe_id: str
    token: str
    issued_at: int
    expires_at: int
    grant: str
    task: str | None = None
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme
    key_held_by: str | None = None


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """The outcome of one request: credentials, at least one, or a problem."""

    credentials: Sequence[Issued] | None = None
    problem: Problem | None = None


class IssueAnswer(msgspec.Struct, frozen=True):
    """The outcomes, in the order of the requests."""

    results: Sequence[Result]


def routes(services: Services, gate: SidecarGate) -> Iterable[web.RouteDef]:
    """The route of issuance for sidecars."""
    return [web.post("/v1/issue", _IssueEndpoint(services, gate).handle)]


class _IssueEndpoint:
    """Issuance for sidecars."""

    def __init__(self, services: Services, gate: SidecarGate) -> None:
        self._services = services
        self._gate = gate

    async def handle(self, request: web.Request) -> web.Response:
        """Appraise all evidence, then issue for all that was accepted, together.

        One parser reads the body, so a name that is there twice deceives nobody and is not looked for.
        """
        body = await read_body(request)
        sidecar = await self._gate.admit(request, body)
        wanted = decode(body, IssueRequest, bulk=True).requests
        caller, now = Caller.of(sidecar), self._services.now()
        if len(wanted) == 1:  # the usual case pays for no task
            appraised = [await self._appraised(caller, wanted[0], now)]
        else:
            appraised = await asyncio.gather(*(self._appraised(caller, one, now) for one in wanted))
        accepted = [one for one in appraised if isinstance(one, IssuanceRequest)]
        outcomes = iter(await self._services.issuance.issue(accepted) if accepted else ())
        return answer(
            IssueAnswer(
                [
                    _result(next(outcomes)) if isinstance(one, IssuanceRequest) else Result(problem=one)
                    for one in appraised
                ]
            )
        )

    async def _appraised(self, caller: Caller, wanted: Wanted, now: int) -> IssuanceRequest | Problem:
        """The request once its evidence is judged; its refusal is recorded."""
        try:
            appraisal = await self._services.attestation.appraise(bytes(wanted.evidence), Origin.SIDECAR, now)
            person = None
            if wanted.on_behalf_of is not None:
                person = await self._services.persons.verify(wanted.on_behalf_of, now)
            details = wanted.authorization_details
            return IssuanceRequest(
                caller=caller,
                appraisal=appraisal,
                audience=wanted.audience,
                agent=None if wanted.agent is None else _agent_name(wanted.agent),
                person=person,
                task=wanted.task,
                scope=None if details == _NULL else parse_details(bytes(details)),
                reason=wanted.reason,
                ttl_seconds=wanted.ttl_seconds,
                task_ttl_seconds=wanted.task_ttl_seconds,
            )
        except RemitError as error:
            refusal = problem(error)
            await self._record(caller, refusal)
            return refusal

    async def _record(self, caller: Caller, refusal: Problem) -> None:
        detail: dict[str, object] = {"code": refusal.code, "why": refusal.detail}
        record = AuditRecord(self._services.clock_ms(), "issuance", Outcome.REFUSED, caller.actor, detail=detail)
        await self._services.audit.record_refusal(refusal.code, record)


def _result(outcome: Sequence[IssuedCredential] | RemitError) -> Result:
    if isinstance(outcome, RemitError):
        return Result(problem=problem(outcome))
    return Result(
        credentials=[
            Issued(
                one.agent,
                one.spiffe_id,
                one.token,
                one.issued_at,
                one.expires_at,
                one.grant,
                one.task,
                one.token_type,
                None if one.key is None else one.key.holder,
            )
            for one in outcome
        ]
    )
