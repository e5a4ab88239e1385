"""`POST /v1/keys`: an agent's key is registered, or takes the place of another one.

Possession is proved by a DPoP proof (RFC 9449) of the key itself in `proof`: method POST, the URL of this route, our nonce. Who the
agent is, evidence says: that of a sidecar for its workloads, in its session and proved whole, or the workload's own. What is wrong
with `proof` is answered 403 and not 401, so that no sidecar takes it for the end of its session.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from aiohttp import web

from attestors.base import Origin
from issuer.http.answers import answer
from issuer.http.requests import decode, read_body
from issuer.http.sidecars import SidecarGate
from issuer.issuance import Caller
from issuer.services import Services
from issuer.subjectkeys import KeyState, Registration, SubjectKey
from issuer.subjectkeys.model import Holder, check_proved
from remit.dpop import MAX_PROOF_BYTES, Proof
from remit.errors import ProofRefusedError
from remit.ids import AgentName

PATH: Final = "/v1/keys"
"""The path of the route; proofs name it."""

_MAX_BODY: Final = 98_304

_CODES: Final[Mapping[str, str]] = {"use_dpop_nonce": "key_nonce_stale", "overloaded": "overloaded"}


class KeyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to register for the agent that the evidence is of.

    `proof` is by the key and names method, URL and our nonce; `held_by` says who has the private half.
    """

    evidence: msgspec.Raw
    jwk: dict[str, object]
    proof: str
    agent: str | None = None
    held_by: Holder = "agent"


class KeyAnswer(msgspec.Struct, frozen=True):
    """The key as it is registered; `created_at` in unix seconds."""

    agent: str
    jkt: str
    held_by: Holder
    state: KeyState
    created_at: int


class _Evidence(msgspec.Struct, frozen=True):
    attestor: str


class KeyRoutes:
    """The route of agents' keys."""

    def __init__(self, services: Services, gate: SidecarGate) -> None:
        self._services = services
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [web.post(PATH, self.register)]

    async def register(self, request: web.Request) -> web.Response:
        """Register a key: the proof is looked at before the evidence, which may be used once."""
        body = await read_body(request, limit=_MAX_BODY)
        sidecar = await self._gate.admit(request, body) if _by_sidecar(request) else None
        self._gate.invite(request)
        wanted = decode(body, KeyRequest)
        agent = None if wanted.agent is None else AgentName.parse(wanted.agent)
        proof = self._prove(wanted.proof)
        registration = Registration(jwk=check_proved(wanted.jwk, proof.jkt), jkt=proof.jkt, held_by=wanted.held_by)
        evidence, origin = bytes(wanted.evidence), Origin.DIRECT if sidecar is None else Origin.SIDECAR
        appraisal = await self._services.attestation.appraise(evidence, origin, self._services.now())
        caller = Caller(_workload(evidence), None) if sidecar is None else Caller.of(sidecar)
        keys, now_ms = self._services.subject_keys, self._services.clock_ms()
        return answer(_answer(await keys.register(registration, caller, appraisal, agent, now_ms)))

    def _prove(self, proof: str) -> Proof:
        if len(proof) > MAX_PROOF_BYTES:
            raise ProofRefusedError("the proof is too large", code="key_proof_refused")
        try:
            return self._services.proofs.verify(proof, method="POST", path=PATH, body=None, now=self._services.now())
        except ProofRefusedError as error:
            code = _CODES.get(error.code, "key_proof_refused")
            raise ProofRefusedError(error.detail, code=code, hint=error.hint) from error


def _by_sidecar(request: web.Request) -> bool:
    """Whether the request comes with anything that only sidecars send."""
    return "Authorization" in request.headers or "DPoP" in request.headers


def _workload(evidence: bytes) -> str:
    return f"workload:{msgspec.json.decode(evidence, type=_Evidence).attestor}"


def _answer(key: SubjectKey) -> KeyAnswer:
    return KeyAnswer(key.subject, key.jkt, key.held_by, key.state, key.created_at)
