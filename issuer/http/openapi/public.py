"""The operations of providers, workloads and sidecars."""

from typing import Final

import msgspec

from issuer.authority.model import TaskDone
from issuer.did.resolution import Options
from issuer.enforcement.model import Acknowledgement, Registered, Registration
from issuer.http.agent_keys import KeyAnswer, KeyRequest
from issuer.http.attest import JoinRequest, SessionAnswer, SessionRequest, WorkloadsAnswer, WorkloadsRequest
from issuer.http.did import DID_RESOLUTION
from issuer.http.introspect import IntrospectionForm
from issuer.http.issue import IssueAnswer, IssueRequest
from issuer.http.openapi.model import Access, Operation
from issuer.http.status import EventsQuery
from issuer.http.tasks import Ended
from issuer.http.token import TokenAnswer
from issuer.status.events import MEDIA_TYPE as EVENTS
from remit.statuslist import MEDIA_TYPE as STATUS_LIST

_JWKS: Final = "application/jwk-set+json"
_DID: Final = "application/did+json"
_GONE: Final = frozenset({410})
_REFUSED: Final = frozenset({403})


class TokenForm(msgspec.Struct, frozen=True):
    """A token exchange (RFC 8693). `audience` or `resource` is needed.

    The subject token is the evidence; or a person's token, with the evidence as actor token; or an agent token to delegate from, and
    then `agent` is the sub-agent and a DPoP proof is needed.
    `authorization_details` is JSON text (RFC 9396: an array of one `agent_spend` object); `agent`, `task`, `reason`, `ttl_seconds`
    and `task_ttl_seconds` are ours.
    """

    grant_type: str
    subject_token: str
    subject_token_type: str
    actor_token: str | None = None
    actor_token_type: str | None = None
    requested_token_type: str | None = None
    audience: str | None = None
    resource: str | None = None
    authorization_details: str | None = None
    agent: str | None = None
    task: str | None = None
    reason: str | None = None
    ttl_seconds: int | None = None
    task_ttl_seconds: int | None = None


class RevocationForm(msgspec.Struct, frozen=True):
    """A token to take back (RFC 7009 section 2.1), by an operator's credential, or by a DPoP proof of its holder."""

    token: str
    token_type_hint: str | None = None


class Introspected(msgspec.Struct, frozen=True):
    """What a token is worth (RFC 7662 section 2.2): when it is active, `token_type` and its claims stand beside."""

    active: bool


class AnnouncedLists(msgspec.Struct, frozen=True):
    """The URIs of all status lists, those not in use yet included."""

    status_lists: list[str]


class Health(msgspec.Struct, frozen=True):
    """`live` or `ready`."""

    status: str


PUBLIC: Final = (
    Operation("GET", "/openapi.json", "This description"),
    Operation("GET", "/.well-known/openid-configuration", "Metadata (OpenID Connect Discovery 1.0)"),
    Operation("GET", "/.well-known/oauth-authorization-server", "Metadata (RFC 8414); the same document"),
    Operation("GET", "/keys", "The token keys as a JWK set", media_type=_JWKS),
    Operation("GET", "/bundle", "The token keys as a SPIFFE bundle"),
    Operation("GET", "/status/keys", "The keys of the status lists as a JWK set", media_type=_JWKS),
    Operation("GET", "/statuslists", "Which status lists there are", answer=AnnouncedLists),
    Operation("GET", "/statuslists/{number}", "A status list, signed this second", media_type=STATUS_LIST),
    Operation(
        "GET",
        "/status/events",
        "What changes, as signed server-sent events; with a provider's credential for one of its registered verifiers",
        media_type=EVENTS,
        query=EventsQuery,
        refusals=frozenset({401, 404, 429}),
    ),
    Operation("GET", "/account/{account}/did.json", "The DID document of an account", media_type=_DID, refusals=_GONE),
    Operation(
        "GET",
        "/account/{account}/agent/{path}/did.json",
        "The DID document of an agent",
        media_type=_DID,
        refusals=_GONE,
    ),
    Operation(
        "GET", "/account/{account}/did.jsonl", "The history of an account", media_type="text/jsonl", refusals=_GONE
    ),
    Operation(
        "GET",
        "/account/{account}/agent/{path}/did.jsonl",
        "The history of an agent (did:webvh)",
        media_type="text/jsonl",
        refusals=_GONE,
    ),
    Operation(
        "GET",
        "/1.0/identifiers/{did}",
        "Resolve a DID of this issuer (W3C DID Resolution); refusals have that form too",
        media_type=DID_RESOLUTION,
        query=Options,
        refusals=frozenset({406, 410, 501}),
    ),
    Operation("GET", "/healthz/live", "Whether the process answers", answer=Health),
    Operation("GET", "/healthz/ready", "Whether it could issue", answer=Health),
    Operation(
        "POST",
        "/token",
        "Exchange evidence for an agent token (RFC 8693)",
        answer=TokenAnswer,
        body=TokenForm,
        form=True,
    ),
    Operation(
        "POST",
        "/revoke",
        "Take back what a token stands for; the same answer for a token that is not known (RFC 7009)",
        access=Access.HOLDER,
        body=RevocationForm,
        form=True,
    ),
    Operation(
        "POST",
        "/v1/keys",
        "Register a key of an agent; by its sidecar with session and proof, or by the workload itself",
        access=Access.EVIDENCE,
        answer=KeyAnswer,
        body=KeyRequest,
        refusals=frozenset({409}),
    ),
)
"""What everybody may ask."""

PROVIDERS: Final = (
    Operation(
        "POST",
        "/introspect",
        "What a token for one of the provider's audiences is worth now (RFC 7662)",
        access=Access.PROVIDER,
        answer=Introspected,
        body=IntrospectionForm,
        form=True,
    ),
    Operation(
        "POST",
        "/status/verifiers",
        "Register a verifier of the provider; durable before the answer",
        access=Access.PROVIDER,
        answer=Registered,
        body=Registration,
        refusals=frozenset({409, 429}),
    ),
    Operation(
        "POST",
        "/status/verifiers/{instance}/acks",
        "A verifier enforces a change, and all before it",
        access=Access.PROVIDER,
        status=204,
        body=Acknowledgement,
        refusals=frozenset({409}),
    ),
    Operation(
        "DELETE",
        "/status/verifiers/{instance}",
        "A verifier leaves: it accepts nothing any more",
        access=Access.PROVIDER,
        status=204,
    ),
)
"""What verifiers of providers tell."""

SIDECARS: Final = (
    Operation(
        "POST",
        "/v1/tasks/complete",
        "A task of one of its agents is over: revoke what it was granted",
        access=Access.SESSION,
        answer=Ended,
        body=TaskDone,
    ),
    Operation(
        "POST",
        "/v1/attest/join",
        "Join: bind the key of the proof to the sidecar that the evidence is for",
        access=Access.PROOF,
        answer=SessionAnswer,
        body=JoinRequest,
        refusals=_REFUSED,
    ),
    Operation(
        "POST",
        "/v1/attest/session",
        "Open another session for the sidecar of the proof's key",
        access=Access.PROOF,
        answer=SessionAnswer,
        body=SessionRequest,
    ),
    Operation(
        "POST",
        "/v1/attest/workload",
        "Which agents workloads are; each has its own result",
        access=Access.SESSION,
        answer=WorkloadsAnswer,
        body=WorkloadsRequest,
    ),
    Operation(
        "POST",
        "/v1/issue",
        "Credentials for workloads; each request has its own result",
        access=Access.SESSION,
        answer=IssueAnswer,
        body=IssueRequest,
    ),
)
"""What sidecars ask; each request is proved by the key that the sidecar joined with."""
