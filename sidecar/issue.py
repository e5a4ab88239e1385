"""`/v1/issue`: what is asked of the issuer for a workload, and what comes back."""

import msgspec
from msgspec import Struct

from remit.errors import RemitError, UnavailableError
from sidecar.errors import IssuerRefusedError
from sidecar.evidence import Evidence
from sidecar.upstream import Problem


class TokenRequest(Struct, frozen=True):
    """What a workload asks for.

    Attributes:
        audience: the provider that the token is for.
        agent: the agent's name (`acme/planner`); None: every agent that the workload is entitled to be.
        task: the task that the token is for.
        scope: `authorization_details` as JSON (RFC 9396); None leaves the grant's scope as it is.
        reason: why, in the agent's own words; it goes to the audit log and makes no other token.
    """

    audience: str
    agent: str | None = None
    task: str | None = None
    scope: bytes | None = None
    reason: str | None = None


class IssuedToken(Struct, frozen=True):
    """One agent token and what the issuer says about it.

    Attributes:
        agent: the agent's name.
        spiffe_id: its SPIFFE ID, the token's `sub`.
        token: the JWT-SVID.
        issued_at: unix seconds.
        expires_at: unix seconds.
        task: the task it is for.
    """

    agent: str
    spiffe_id: str
    token: str
    issued_at: int
    expires_at: int
    task: str | None = None


class _Request(Struct, frozen=True, omit_defaults=True):
    evidence: msgspec.Raw
    audience: str
    agent: str | None = None
    task: str | None = None
    authorization_details: msgspec.Raw | None = None
    reason: str | None = None


class _Result(Struct, frozen=True):
    credentials: tuple[IssuedToken, ...] | None = None
    problem: Problem | None = None


class _Answer(Struct, frozen=True):
    results: tuple[_Result, ...]


_ANSWER = msgspec.json.Decoder(_Answer)


def encode_request(evidence: Evidence, request: TokenRequest) -> bytes:
    """One element of the batch."""
    scope = msgspec.Raw(request.scope) if request.scope is not None else None
    return msgspec.json.encode(
        _Request(evidence.encoded, request.audience, request.agent, request.task, scope, request.reason)
    )


def decode_answer(body: bytes, expected: int) -> list[tuple[IssuedToken, ...] | RemitError]:
    """The outcome of each request of a batch, in its order: tokens, never none, or the refusal.

    Raises:
        UnavailableError: the answer does not parse, or is not one outcome for each request.
    """
    try:
        results = _ANSWER.decode(body).results
    except msgspec.MsgspecError as error:
        raise UnavailableError("the issuer's answer does not parse", code="issuer_unavailable") from error
    if len(results) != expected:
        raise UnavailableError("the issuer's answer is not one for each request", code="issuer_unavailable")
    return [_outcome(result) for result in results]


def _outcome(result: _Result) -> tuple[IssuedToken, ...] | RemitError:
    if result.credentials:
        return result.credentials
    if result.problem is None:
        return IssuerRefusedError("the issuer gave no credential", code="no_entry", status=403)
    problem = result.problem
    if problem.code in ("internal", "overloaded", "evidence_unavailable"):
        return UnavailableError(problem.detail, code=problem.code, hint=problem.hint)
    return IssuerRefusedError(problem.detail, code=problem.code, status=403, hint=problem.hint)
