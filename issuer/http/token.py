"""`POST /token`: token exchange (RFC 8693) for workloads without a sidecar, for sub-agents, and on behalf of persons.

`subject_token_type` says how the subject token is read:

- `urn:ietf:params:oauth:token-type:jwt`, `…:id_token`: an OIDC token of a configured provider
- `urn:remit:token-type:jwt-svid`: a JWT-SVID of a configured foreign SPIFFE trust domain
- `urn:remit:token-type:<name>`: evidence for the installed attestor of that name
- `urn:ietf:params:oauth:token-type:access_token`: an agent token that is delegated from (`issuer.http.delegation`)

With an `actor_token` the subject is the person on whose behalf the agent acts, by an OIDC token of a provider of persons, and
the actor token is the evidence.

Beside RFC 8693's parameters it takes `authorization_details` (RFC 9396: one `agent_spend` object), and `agent`, `task`, `reason`,
`ttl_seconds` and `task_ttl_seconds`, which are ours. What is issued says in its `token_type` how it is presented to the provider:
`Bearer`, or `DPoP` when it is bound to the agent's key.
Parameters that it does not know are ignored, as RFC 6749 section 3.2 demands.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import structlog
from aiohttp import web

from attestors.base import Appraisal, Origin
from issuer.http.answers import answer
from issuer.http.exchange import ACCESS_TOKEN, ID_TOKEN, JWT, check_protocol, wanted
from issuer.http.middleware import REFUSAL_RECORDED
from issuer.http.oauth import FORM, oauth_error, parse_form, refused, required
from issuer.http.requests import read_body
from issuer.http.sidecars import SidecarGate
from issuer.issuance import Caller, IssuanceRequest, IssuedCredential
from issuer.persons import OnBehalf
from issuer.services import Services
from issuer.storage import StorageError
from remit.errors import InvalidInputError, RemitError

_ATTESTOR_OF_TYPE: Final = {JWT: "oidc", ID_TOKEN: "oidc", "urn:remit:token-type:jwt-svid": "spiffe"}
_PERSON_TYPES: Final = (ID_TOKEN, JWT)
_OWN_TYPES: Final = "urn:remit:token-type:"
_MAX_BODY: Final = 65_536

_log = structlog.get_logger(__name__)


class TokenAnswer(msgspec.Struct, frozen=True):
    """A successful answer (RFC 8693 section 2.2.1, RFC 9396 section 7)."""

    access_token: str
    issued_token_type: str
    token_type: str
    expires_in: int
    authorization_details: list[msgspec.Raw]


def routes(services: Services, gate: SidecarGate) -> Iterable[web.RouteDef]:
    """The route of the token endpoint."""
    endpoint = _TokenEndpoint(services, gate)
    return [web.post("/token", endpoint.handle)]


class _TokenEndpoint:
    """The token endpoint of one issuer."""

    def __init__(self, services: Services, gate: SidecarGate) -> None:
        self._services = services
        self._gate = gate

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a token request; an error leaves in OAuth's shape, and an audit record of it stays."""
        try:
            body = await read_body(request, media_type=FORM, limit=_MAX_BODY)
            form = parse_form(body)
            check_protocol(form)
            asked = await self._asked(request, body, form)
        except RemitError as error:
            return await refused(self._services, request, "issuance", error)
        request[REFUSAL_RECORDED] = True
        outcome = await self._issue(asked)
        if isinstance(outcome, RemitError):
            return oauth_error(outcome)
        return answer(_answer(outcome[0]))

    async def _asked(self, request: web.Request, body: bytes, form: Mapping[str, str]) -> IssuanceRequest:
        """What is asked for, once all that came with it was verified."""
        kind = required(form, "subject_token_type")
        if kind == ACCESS_TOKEN:
            return await self._delegation(request, body, form)
        if "actor_token" in form:
            return await self._on_behalf(kind, form)
        return await self._with_evidence(kind, required(form, "subject_token"), form, None)

    async def _delegation(self, request: web.Request, body: bytes, form: Mapping[str, str]) -> IssuanceRequest:
        """RFC 8693 with an agent token as subject: possession is proved, or nothing is delegated."""
        if "actor_token" in form:
            raise InvalidInputError("an agent token is delegated from without an actor token", code="malformed_request")
        token, _ = required(form, "subject_token"), required(form, "agent")
        proof = self._gate.prove(request, None)
        caller, appraisal, delegation = await self._services.presented.delegation(
            token, proof, self._services.now(), body_covered=proof.covers(body)
        )
        return wanted(form, caller, appraisal, delegation=delegation)

    async def _on_behalf(self, kind: str, form: Mapping[str, str]) -> IssuanceRequest:
        if kind not in _PERSON_TYPES:
            raise InvalidInputError(
                "with an actor_token, the subject_token is a person's",
                code="malformed_request",
                hint=f"its type is one of {', '.join(_PERSON_TYPES)}",
            )
        person = await self._services.persons.verify(required(form, "subject_token"), self._services.now())
        return await self._with_evidence(
            required(form, "actor_token_type"), required(form, "actor_token"), form, person
        )

    async def _with_evidence(
        self, kind: str, token: str, form: Mapping[str, str], person: OnBehalf | None
    ) -> IssuanceRequest:
        attestor = _attestor_of(kind)
        appraisal = await self._appraise(attestor, token)
        return wanted(form, Caller(f"workload:{attestor}", None), appraisal, person=person)

    async def _appraise(self, attestor: str, token: str) -> Appraisal:
        evidence = msgspec.json.encode({"attestor": attestor, "token": token})
        return await self._services.attestation.appraise(evidence, Origin.DIRECT, self._services.now())

    async def _issue(self, asked: IssuanceRequest) -> Sequence[IssuedCredential] | RemitError:
        try:
            (outcome,) = await self._services.issuance.issue([asked])
        except StorageError as error:
            _log.error("not issued", error=error.code, why=error.detail)
            return error
        return outcome


def _attestor_of(token_type: str) -> str:
    """The name of the attestor that reads this type; whether it is installed, and takes evidence from here, is its business."""
    known = _ATTESTOR_OF_TYPE.get(token_type)
    if known is None and not token_type.startswith(_OWN_TYPES):
        raise InvalidInputError(
            "this type of token is not taken",
            code="malformed_request",
            hint=f"one of {', '.join(_ATTESTOR_OF_TYPE)}, {_OWN_TYPES} and the name of an installed attestor, "
            f"or {ACCESS_TOKEN} to delegate",
        )
    return known or token_type.removeprefix(_OWN_TYPES)


def _answer(credential: IssuedCredential) -> TokenAnswer:
    return TokenAnswer(
        access_token=credential.token,
        issued_token_type=JWT,
        token_type=credential.token_type,
        expires_in=credential.expires_at - credential.issued_at,
        authorization_details=[msgspec.Raw(credential.scope)],
    )
