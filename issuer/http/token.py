"""`POST /token`: token exchange (RFC 8693) for workloads without a sidecar. The subject token is the evidence.

`subject_token_type` alone selects how it is read:

- `urn:ietf:params:oauth:token-type:jwt`, `…:id_token`: an OIDC token of a configured provider
- `urn:remit:token-type:jwt-svid`: a JWT-SVID of a configured foreign SPIFFE trust domain
- `urn:remit:token-type:<name>`: evidence for the installed attestor of that name

Beside RFC 8693's parameters it takes `authorization_details` (RFC 9396: one `agent_spend` object), and `agent`, `task` and
`reason`, which are ours. What is issued says in its `token_type` how it is presented to the
provider: `Bearer`, or `DPoP` when it is bound to the agent's key.
Parameters that it does not know are ignored, as RFC 6749 section 3.2 demands.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import structlog
from aiohttp import web

from attestors.base import Appraisal, Origin
from issuer.audit.model import AuditRecord, Outcome
from issuer.audit.service import ANONYMOUS
from issuer.http.answers import answer
from issuer.http.middleware import REFUSAL_RECORDED
from issuer.http.oauth import FORM, oauth_error, parse_form
from issuer.http.problems import problem
from issuer.http.requests import read_body
from issuer.http.scopes import parse_details
from issuer.issuance import Caller, IssuanceRequest, IssuedCredential
from issuer.services import Services
from issuer.storage import StorageError
from remit.errors import InvalidInputError, RemitError
from remit.ids import AgentName

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type, not a token

_ATTESTOR_OF_TYPE: Final = {
    JWT: "oidc",
    "urn:ietf:params:oauth:token-type:id_token": "oidc",
    "urn:remit:token-type:jwt-svid": "spiffe",
}
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


def routes(services: Services) -> Iterable[web.RouteDef]:
    """The route of the token endpoint."""
    endpoint = _TokenEndpoint(services)
    return [web.post("/token", endpoint.handle)]


class _TokenEndpoint:
    """The token endpoint of one issuer."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a token request; an error leaves in OAuth's shape, and an audit record of it stays."""
        try:
            form = parse_form(await read_body(request, media_type=FORM, limit=_MAX_BODY))
            _check_protocol(form)
            appraisal = await self._appraise(form)
            wanted = _wanted(form, appraisal)
        except RemitError as error:
            await self._record(error)
            return oauth_error(error)
        request[REFUSAL_RECORDED] = True
        outcome = await self._issue(wanted)
        if isinstance(outcome, RemitError):
            return oauth_error(outcome)
        return answer(_answer(outcome[0]))

    async def _issue(self, wanted: IssuanceRequest) -> Sequence[IssuedCredential] | RemitError:
        try:
            (outcome,) = await self._services.issuance.issue([wanted])
        except StorageError as error:
            _log.error("not issued", error=error.code, why=error.detail)
            return error
        return outcome

    async def _appraise(self, form: Mapping[str, str]) -> Appraisal:
        attestor = _attestor_of(_required(form, "subject_token_type"))
        evidence = msgspec.json.encode({"attestor": attestor, "token": _required(form, "subject_token")})
        return await self._services.attestation.appraise(evidence, Origin.DIRECT, self._services.now())

    async def _record(self, error: RemitError) -> None:
        """Record a refusal that came before issuance could; nobody is known yet."""
        document = problem(error)
        detail: dict[str, object] = {"code": document.code, "method": "POST", "route": "/token", "why": document.detail}
        record = AuditRecord(self._services.clock_ms(), "issuance", Outcome.REFUSED, ANONYMOUS, detail=detail)
        try:
            await self._services.audit.record_refusal(document.code, record)
        except StorageError as failure:
            _log.error("refusal not recorded", code=document.code, error=failure.code)


def _attestor_of(token_type: str) -> str:
    """The name of the attestor that reads this type; whether it is installed, and takes evidence from here, is its business."""
    known = _ATTESTOR_OF_TYPE.get(token_type)
    if known is None and not token_type.startswith(_OWN_TYPES):
        raise InvalidInputError(
            "this subject_token_type is not taken",
            code="malformed_request",
            hint=f"one of {', '.join(_ATTESTOR_OF_TYPE)}, or {_OWN_TYPES} and the name of an installed attestor",
        )
    return known or token_type.removeprefix(_OWN_TYPES)


def _check_protocol(form: Mapping[str, str]) -> None:
    """What RFC 8693 leaves open and is not offered here is refused, never ignored: it would change what is issued."""
    if _required(form, "grant_type") != GRANT_TYPE:
        raise InvalidInputError(
            "this grant_type is not offered", code="unsupported_grant_type", hint=f"send {GRANT_TYPE}"
        )
    if "actor_token" in form or "actor_token_type" in form:
        raise InvalidInputError("actor tokens are not taken", code="malformed_request")
    if form.get("requested_token_type", JWT) not in (JWT, ACCESS_TOKEN):
        raise InvalidInputError(
            "this requested_token_type is not issued", code="malformed_request", hint=f"ask for {JWT}"
        )
    if "scope" in form:
        raise InvalidInputError(
            "there are no scopes here", code="invalid_scope", hint="narrow with authorization_details"
        )


def _wanted(form: Mapping[str, str], appraisal: Appraisal) -> IssuanceRequest:
    details = form.get("authorization_details")
    return IssuanceRequest(
        caller=Caller(f"workload:{_attestor_of(form['subject_token_type'])}", None),
        appraisal=appraisal,
        audience=_audience(form),
        agent=AgentName.parse(form["agent"]) if "agent" in form else None,
        task=form.get("task"),
        scope=None if details is None else parse_details(details.encode()),
        reason=form.get("reason"),
        single=True,
    )


def _audience(form: Mapping[str, str]) -> str:
    """`audience` or `resource`; a token has one audience, so both must agree."""
    audience, resource = form.get("audience"), form.get("resource")
    if audience is None and resource is None:
        raise InvalidInputError(
            "audience is missing", code="invalid_target", hint="name the provider that the token is for"
        )
    if audience is not None and resource is not None and audience != resource:
        raise InvalidInputError("audience and resource differ", code="invalid_target", hint="a token has one audience")
    return audience or resource or ""


def _required(form: Mapping[str, str], name: str) -> str:
    value = form.get(name)
    if value is None:
        raise InvalidInputError(f"{name} is missing", code="malformed_request")
    return value


def _answer(credential: IssuedCredential) -> TokenAnswer:
    return TokenAnswer(
        access_token=credential.token,
        issued_token_type=JWT,
        token_type=credential.token_type,
        expires_in=credential.expires_at - credential.issued_at,
        authorization_details=[msgspec.Raw(credential.scope)],
    )
