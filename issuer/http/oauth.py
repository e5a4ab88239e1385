"""The OAuth edge: forms in, errors in OAuth's shape, and an audit record of each.

RFC 6749 section 5.2, RFC 8693 section 2.2.2, RFC 9396 section 5, RFC 9449 sections 5 and 8.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

import msgspec
import structlog
from aiohttp import web

from issuer.audit.model import AuditRecord, Outcome
from issuer.audit.service import ANONYMOUS
from issuer.http.answers import answer
from issuer.http.middleware import PRINCIPAL, Principal
from issuer.http.problems import problem
from issuer.services import Services
from issuer.storage import StorageError
from remit.errors import InvalidInputError, RemitError

FORM: Final = "application/x-www-form-urlencoded"
"""The content type of a form."""

_MAX_FIELDS: Final = 32
_MAX_DIGITS: Final = 9


class OAuthError(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error of the token endpoint.

    Attributes:
        error: one of OAuth's codes.
        error_description: what was wrong with which input.
        code: our own code, finer than OAuth's.
        hint: what to do about it.
    """

    error: str
    error_description: str
    code: str
    hint: str | None = None


_OAUTH_CODES: Final = {
    "unsupported_grant_type": "unsupported_grant_type",
    "invalid_scope": "invalid_scope",
    "invalid_target": "invalid_target",
    "scope_too_wide": "invalid_authorization_details",
    "scope_too_large": "invalid_authorization_details",
    "invalid_authorization_details": "invalid_authorization_details",
    "unauthenticated": "invalid_client",
    "forbidden": "access_denied",
    "use_dpop_nonce": "use_dpop_nonce",
    "proof_invalid": "invalid_dpop_proof",
    "proof_refused": "invalid_dpop_proof",
    "overloaded": "temporarily_unavailable",
    "storage_unavailable": "temporarily_unavailable",
    "evidence_unavailable": "temporarily_unavailable",
    "internal": "server_error",
}


_OF_CLIENTS: Final = {"invalid_client": 401, "access_denied": 403}
"""Statuses of what is wrong with the caller rather than the request."""

_log = structlog.get_logger(__name__)


def parse_form(body: bytes) -> Mapping[str, str]:
    """Read a form; a parameter without a value counts as left out (RFC 6749 section 3.2).

    Raises:
        InvalidInputError: not a form, too many parameters, or one that comes twice.
    """
    try:
        fields = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError as error:
        raise InvalidInputError("the body is not a form", code="malformed_request") from error
    form = dict(fields)
    if len(form) < len(fields):
        raise InvalidInputError("a parameter comes twice", code="malformed_request", hint="send each parameter once")
    return {name: value for name, value in form.items() if value}


def required(form: Mapping[str, str], name: str) -> str:
    """Return a parameter.

    Raises:
        InvalidInputError: it is missing.
    """
    value = form.get(name)
    if value is None:
        raise InvalidInputError(f"{name} is missing", code="malformed_request")
    return value


def seconds(form: Mapping[str, str], name: str) -> int | None:
    """Return a parameter that is a whole number of seconds, or None when it is left out.

    Raises:
        InvalidInputError: it is not a number from 1 on.
    """
    text = form.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS or int(text) < 1:
        raise InvalidInputError(f"{name} is not a whole number of seconds", code="malformed_request")
    return int(text)


def oauth_error(error: RemitError) -> web.Response:
    """The response that answers a token request with an error; our own `code` and `hint` stand beside OAuth's members."""
    document = problem(error)
    status = document.status if document.status in (408, 413, 415, 500, 503) else 400
    name = _OAUTH_CODES.get(document.code, "invalid_request")
    status = _OF_CLIENTS.get(name, status)
    response = answer(OAuthError(name, document.detail, document.code, document.hint), status)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


async def refused(services: Services, request: web.Request, kind: str, error: RemitError) -> web.Response:
    """Record a refusal at an OAuth endpoint as one of `kind`, and return the response. A request for a nonce refuses nothing."""
    document = problem(error)
    if document.code != "use_dpop_nonce":
        principal = request.get(PRINCIPAL, Principal(ANONYMOUS))
        detail: dict[str, object] = {
            "code": document.code,
            "method": "POST",
            "route": request.path,
            "why": document.detail,
        }
        record = AuditRecord(
            services.clock_ms(), kind, Outcome.REFUSED, principal.actor, principal.account, detail=detail
        )
        try:
            await services.audit.record_refusal(document.code, record)
        except StorageError as failure:
            _log.error("refusal not recorded", code=document.code, error=failure.code)
    return oauth_error(error)
