"""Errors as problem documents (RFC 9457): the one place where a `code` gets its HTTP status.

An example, member by member:

    type    urn:remit:problem:no_grant
    title   no grant
    status  403
    code    no_grant
    detail  agent acme/planner has no standing grant
    hint    create one with `remit grant create`
"""

import re
from typing import Final

import msgspec
from aiohttp import web

from remit.errors import InvalidInputError, RefusedError, RemitError

RETRY_SECONDS: Final = 10
"""When to come back (`Retry-After`) to what is full (429)."""

MEDIA_TYPE: Final = "application/problem+json"
"""The content type of a problem document."""

_MOST: Final = 1000
"""Most characters of a detail or a hint that leave; what they quote may be as long as a body."""

# From a quote to the next one, or to where the text was cut; but not the s of "agent's".
_QUOTED_RE: Final = re.compile(
    r"""(?<!\w)(?:'(?:[^'\\]|\\.|\\\Z)*+(?:'|\Z)|"(?:[^"\\]|\\.|\\\Z)*+(?:"|\Z))(?!\w)""", re.DOTALL
)

_SECRET_RE: Final = re.compile(
    r"remit_(?:op|join|sc|prov)_[\w-]+|eyJ[\w-]*\.[\w-]*\.[\w-]*", re.ASCII
)  # or a compact JWS

_STATUS: Final = {
    "malformed_request": 400,
    "invalid_authorization_details": 400,
    "invalid_scope": 400,
    "invalid_target": 400,
    "unsupported_grant_type": 400,
    "unauthenticated": 401,
    "use_dpop_nonce": 401,
    "proof_invalid": 401,
    "proof_refused": 401,
    "session_invalid": 401,
    "forbidden": 403,
    "evidence_refused": 403,
    "evidence_expired": 403,
    "evidence_replayed": 403,
    "no_entry": 403,
    "no_grant": 403,
    "no_agent_key": 403,
    "too_many_tasks": 403,
    "too_many_keys": 403,
    "key_proof_refused": 403,
    "key_nonce_stale": 403,
    "agent_not_active": 403,
    "person_not_active": 403,
    "not_a_sub_agent": 403,
    "depth_exceeded": 403,
    "task_mismatch": 403,
    "too_many_sub_agents": 403,
    "ambiguous_agent": 403,
    "scope_too_wide": 403,
    "scope_too_large": 403,
    "not_found": 404,
    "unknown_verifier": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "conflict": 409,
    "retired_name": 409,
    "rotation_under_way": 409,
    "authority_changed": 409,
    "deactivated": 410,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "idempotency_mismatch": 422,
    "too_many_subscribers": 429,
    "too_many_verifiers": 429,
    "internal": 500,
    "overloaded": 503,
    "evidence_unavailable": 503,
    "storage_unavailable": 503,
}


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document.

    Attributes:
        type: a URN that holds the code.
        title: the code in words.
        status: the HTTP status.
        code: stable, for programs.
        detail: what was wrong with which input.
        hint: what to do about it.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str | None = None


def problem(error: RemitError) -> Problem:
    """The problem document of an error. A code that is not for callers (a defect of ours) becomes `internal`."""
    code = _code(error)
    detail = _without_values(error) if code != "internal" else "the issuer could not do this"
    hint = error.hint and _SECRET_RE.sub("…", _cut(error.hint))
    if code == "internal":
        hint = "look into the issuer's log"
    return Problem(f"urn:remit:problem:{code}", code.replace("_", " "), _STATUS[code], code, detail, hint)


def problem_response(error: RemitError) -> web.Response:
    """The response that answers a request with an error."""
    document = problem(error)
    response = web.Response(body=msgspec.json.encode(document), status=document.status, content_type=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    if document.code == "unauthenticated":
        response.headers["WWW-Authenticate"] = "Bearer"
    if document.status == 429:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _without_values(error: RemitError) -> str:
    """The detail without what it quotes of the input, and without secrets: one may have been put into the wrong place."""
    detail = _cut(error.detail)  # first: the expressions take a time that grows with the square of the length
    if isinstance(error, InvalidInputError):
        detail = _QUOTED_RE.sub("…", detail).replace("matching regex …", "of another form")
    return _SECRET_RE.sub("…", detail)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST else text[:_MOST]


def _code(error: RemitError) -> str:
    if error.code in _STATUS:
        return error.code
    if isinstance(error, InvalidInputError):
        return "malformed_request"
    return "forbidden" if isinstance(error, RefusedError) else "internal"
