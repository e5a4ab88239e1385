"""`/v1/attest/*`: a sidecar joins, opens sessions, and asks which agents the workloads beside it are."""

import asyncio
from typing import Annotated, Final

import msgspec
from aiohttp import web

from attestors.base import Appraisal, Origin
from issuer.attestation import ActiveSidecar, Session
from issuer.audit.model import AuditRecord, Outcome
from issuer.http.answers import answer
from issuer.http.problems import Problem, problem
from issuer.http.requests import decode, read_body
from issuer.http.sidecars import SidecarGate
from issuer.issuance.entitlement import EntitledAgent, entitled_agents
from issuer.issuance.model import Caller
from issuer.services import Services
from remit.errors import RemitError
from remit.ids import AgentName

_MOST_WORKLOADS: Final = 256
_JOIN_BODY_BYTES: Final = 1 << 16


class JoinRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The evidence of a sidecar, for the attestor that it names."""

    attestor: str
    evidence: msgspec.Raw


class SessionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing: the proof says it all."""


class Workload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The evidence of one workload, and the one agent that is of interest, if it is one."""

    evidence: msgspec.Raw
    agent: str | None = None


class WorkloadsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The evidence of several workloads."""

    workloads: Annotated[list[Workload], msgspec.Meta(min_length=1, max_length=_MOST_WORKLOADS)]


class SessionAnswer(msgspec.Struct, frozen=True):
    """A sidecar's name and its session, whose secret is told this once; `expires_at` in unix seconds."""

    sidecar: str
    spiffe_id: str
    trust_domain: str
    session: str
    expires_at: int


class AgentAnswer(msgspec.Struct, frozen=True):
    """An agent that a workload may act as, and the entry that says so."""

    agent: str
    spiffe_id: str
    entry: str


class WorkloadAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one workload: its agents, or the problem."""

    agents: list[AgentAnswer] | None = None
    problem: Problem | None = None


class WorkloadsAnswer(msgspec.Struct, frozen=True):
    """One result for each workload, in their order."""

    results: list[WorkloadAnswer]


class AttestRoutes:
    """`/v1/attest/join`, `/v1/attest/session`, `/v1/attest/workload`."""

    def __init__(self, services: Services, gate: SidecarGate) -> None:
        """Serve with `services`, behind `gate`."""
        self._services = services
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.post("/v1/attest/join", self.join),
            web.post("/v1/attest/session", self.renew),
            web.post("/v1/attest/workload", self.workloads),
        ]

    async def join(self, request: web.Request) -> web.Response:
        """Bind the key that proves this request to the sidecar that its evidence is for."""
        body = await read_body(request, limit=_JOIN_BODY_BYTES)
        proof = self._gate.prove(request, body)
        wanted = decode(body, JoinRequest)
        attestation, now_ms = self._services.attestation, self._services.clock_ms()
        return self._opened(await attestation.join(wanted.attestor, bytes(wanted.evidence), proof.jkt, now_ms))

    async def renew(self, request: web.Request) -> web.Response:
        """Open another session for the sidecar whose key proves this request."""
        body = await read_body(request, limit=_JOIN_BODY_BYTES)
        proof = self._gate.prove(request, body)
        decode(body, SessionRequest)
        return self._opened(await self._services.attestation.renew(proof.jkt, self._services.clock_ms()))

    async def workloads(self, request: web.Request) -> web.Response:
        """Say which agents each workload is; nothing is issued."""
        body = await read_body(request)
        sidecar = await self._gate.admit(request, body)
        wanted = decode(body, WorkloadsRequest)
        results = await asyncio.gather(*(self._result(sidecar, workload) for workload in wanted.workloads))
        return answer(WorkloadsAnswer(results))

    def _opened(self, session: Session) -> web.Response:
        domain = self._services.config.domain
        return answer(
            SessionAnswer(
                sidecar=str(session.sidecar),
                spiffe_id=str(session.sidecar.spiffe_id(domain)),
                trust_domain=str(domain),
                session=session.secret,
                expires_at=session.expires_at,
            )
        )

    async def _result(self, sidecar: ActiveSidecar, workload: Workload) -> WorkloadAnswer:
        selectors: frozenset[str] = frozenset()
        try:
            appraisal = await self._appraised(workload)
            selectors = appraisal.selectors
            agents = await self._entitled(sidecar, workload, appraisal)
        except RemitError as error:
            refusal = problem(error)
            if refusal.status < 500:
                await self._record(sidecar, refusal, selectors)
            return WorkloadAnswer(problem=refusal)
        domain = self._services.config.domain
        return WorkloadAnswer(
            agents=[AgentAnswer(str(one.agent), str(one.agent.spiffe_id(domain)), one.entry) for one in agents]
        )

    async def _appraised(self, workload: Workload) -> Appraisal:
        evidence = bytes(workload.evidence)
        return await self._services.attestation.appraise(evidence, Origin.SIDECAR, self._services.now())

    async def _entitled(
        self, sidecar: ActiveSidecar, workload: Workload, appraisal: Appraisal
    ) -> tuple[EntitledAgent, ...]:
        agent = None if workload.agent is None else AgentName.parse(workload.agent)
        caller = Caller.of(sidecar)
        return await entitled_agents(self._services.database, appraisal, caller, agent, self._services.config.url)

    async def _record(self, sidecar: ActiveSidecar, refusal: Problem, selectors: frozenset[str]) -> None:
        record = AuditRecord(
            at_ms=self._services.clock_ms(),
            kind="attestation",
            outcome=Outcome.REFUSED,
            actor=sidecar.actor,
            detail={"code": refusal.code, "why": refusal.detail, "selectors": sorted(selectors)},
        )
        await self._services.audit.record_refusal(refusal.code, record)
