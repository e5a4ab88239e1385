"""`/v1/issue`: what is asked of the issuer for a workload, and what comes back."""

import hashlib
from typing import Self

import msgspec
from msgspec import Struct

from remit.errors import RemitError, UnavailableError
from sidecar.errors import IssuerRefusedError
from sidecar.evidence import Evidence
from sidecar.upstream import Problem


class PersonToken(Struct, frozen=True):
    """The OIDC token of the person on whose behalf an agent acts; its `repr` leaves the token itself out.

    Attributes:
        text: the token, for the issuer.
        digest: SHA-256 of it, which stands for it where answers are told apart.
    """

    text: str
    digest: bytes

    @classmethod
    def of(cls, text: str) -> Self:
        """Take the token that a workload sent."""
        return cls(text, hashlib.sha256(text.encode()).digest())

    def __repr__(self) -> str:
        return "PersonToken(…)"


class TokenRequest(Struct, frozen=True):
    """What a workload asks for.

    Attributes:
        audience: the provider that the token is for.
        agent: the agent's name (`acme/planner`); None: every agent that the workload is entitled to be.
        task: the task that the token is for.
        scope: `authorization_details` as JSON (RFC 9396); None leaves the grant's scope as it is.
        reason: why, in the agent's own words; it goes to the audit log and makes no other token.
        task_ttl_seconds: how long the task may last, if this request opens it.
        on_behalf_of: the person that the agent acts for.
        sub_agent: whom the agent delegates to, relative to it: `reader`, or `reader/sub/x`; None: the token is the agent's own.
        ttl_seconds: how long a delegated token may live at most.
    """

    audience: str
    agent: str | None = None
    task: str | None = None
    scope: bytes | None = None
    reason: str | None = None
    task_ttl_seconds: int | None = None
    on_behalf_of: PersonToken | None = None
    sub_agent: str | None = None
    ttl_seconds: int | None = None

    def for_delegator(self, audience: str) -> "TokenRequest":
        """The request for the token of who delegates: the agent, or the sub-agent one level up. It is narrowed by nothing."""
        above = (self.sub_agent or "").rpartition("/sub/")[0] or None
        return msgspec.structs.replace(self, audience=audience, sub_agent=above, scope=None, ttl_seconds=None)


class IssuedToken(Struct, frozen=True):
    """One agent token and what the issuer says about it.

    Attributes:
        agent: the agent's name.
        spiffe_id: its SPIFFE ID, the token's `sub`.
        token: the JWT-SVID.
        issued_at: unix seconds.
        expires_at: unix seconds.
        task: the task it is for.
        token_type: `Bearer`, or `DPoP` when it is bound to the agent's key.
        key_held_by: who has that key: `agent`, or `sidecar`, which is this one; None where the issuer does not say.
    """

    agent: str
    spiffe_id: str
    token: str
    issued_at: int
    expires_at: int
    task: str | None = None
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme
    key_held_by: str | None = None

    @property
    def is_bound(self) -> bool:
        """Whether it is bound to the agent's key."""
        return self.token_type == "DPoP"  # noqa: S105 - the name of a scheme


class _Request(Struct, frozen=True, omit_defaults=True):
    evidence: msgspec.Raw
    audience: str
    agent: str | None = None
    task: str | None = None
    authorization_details: msgspec.Raw | None = None
    reason: str | None = None
    task_ttl_seconds: int | None = None
    on_behalf_of: str | None = None


class _Result(Struct, frozen=True):
    credentials: tuple[IssuedToken, ...] | None = None
    problem: Problem | None = None


class _Answer(Struct, frozen=True):
    results: tuple[_Result, ...]


_NOT_NOW = frozenset({"internal", "overloaded", "evidence_unavailable", "storage_unavailable"})
_SESSION_ENDED = b"session_invalid"
_ANSWER = msgspec.json.Decoder(_Answer)


def encode_request(evidence: Evidence, request: TokenRequest) -> bytes:
    """One element of the batch."""
    scope = msgspec.Raw(request.scope) if request.scope is not None else None
    person = request.on_behalf_of.text if request.on_behalf_of is not None else None
    wire = _Request(
        evidence.encoded,
        request.audience,
        request.agent,
        request.task,
        scope,
        request.reason,
        request.task_ttl_seconds,
        person,
    )
    return msgspec.json.encode(wire)


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


def says_session_ended(body: bytes) -> bool:
    """Whether the issuer, which looks at the session once a second, found it ended when it decided on a request."""
    if _SESSION_ENDED not in body:
        return False
    try:
        results = _ANSWER.decode(body).results
    except msgspec.MsgspecError:
        return False
    return any(result.problem is not None and result.problem.code == _SESSION_ENDED.decode() for result in results)


def _outcome(result: _Result) -> tuple[IssuedToken, ...] | RemitError:
    if result.credentials:
        return result.credentials
    if result.problem is None:
        return IssuerRefusedError("the issuer gave no credential", code="no_entry", status=403)
    return refusal_of(result.problem)


def refusal_of(problem: Problem) -> RemitError:
    """The error that a problem with one request stands for: a refusal, or an issuer that cannot say now."""
    if problem.code in _NOT_NOW:
        return UnavailableError(problem.detail, code=problem.code, hint=problem.hint)
    return IssuerRefusedError(problem.detail, code=problem.code, status=403, hint=problem.hint)
