"""The OAuth edge: forms in, and errors in OAuth's shape.

RFC 6749 section 5.2, RFC 8693 section 2.2.2, RFC 9396 section 5, RFC 9449 sections 5 and 8.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from issuer.http.answers import answer
from issuer.http.problems import problem
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
    "use_dpop_nonce": "use_dpop_nonce",
    "proof_invalid": "invalid_dpop_proof",
    "proof_refused": "invalid_dpop_proof",
    "overloaded": "temporarily_unavailable",
    "storage_unavailable": "temporarily_unavailable",
    "evidence_unavailable": "temporarily_unavailable",
    "internal": "server_error",
}


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
    status = document.status if document.status in (408, 413, 415, 503) else 400
    if document.status == 500:
        status = 500
    name = _OAUTH_CODES.get(document.code, "invalid_request")
    return answer(OAuthError(name, document.detail, document.code, document.hint), status)
