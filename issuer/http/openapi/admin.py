"""The operations of operators."""

from typing import Final

from issuer.authority.eviction import Eviction
from issuer.authority.model import Completion, Question, Resolved, Stop, Stopped
from issuer.enforcement.model import Report, ShownVerifier
from issuer.http.admin.accounts import AgentQuery, DescribedAgent
from issuer.http.admin.agent_keys import AgentKeyQuery
from issuer.http.admin.enforcement import EnforcementQuery
from issuer.http.admin.entries import EntryQuery, GrantQuery
from issuer.http.admin.insight import InsightQuery
from issuer.http.admin.oversight import AuditPage, AuditParameters, Status
from issuer.http.admin.providers import NewCredential
from issuer.http.admin.staff import WhoAmI
from issuer.http.admin.tasks import TasksQuery
from issuer.http.keys import KeyDescription, Rotated, RotateRequest
from issuer.http.openapi.model import Access, Operation
from issuer.http.pages import Listed, PageQuery
from issuer.insight.model import Overview
from issuer.registry.bulk import Import, Imported
from issuer.registry.model import (
    Account,
    Entry,
    Grant,
    JoinToken,
    OperatorCredential,
    Provider,
    ProviderCredential,
    Sidecar,
)
from issuer.registry.requests import NewAccount, NewAgent, NewEntry, NewGrant, NewJoinToken, NewOperator, NewProvider
from issuer.registry.roles import Operator
from issuer.subjectkeys import SubjectKey
from issuer.subjectkeys.accounts import AccountKey, KeyRevocation, NewAccountKey
from issuer.tasks.model import OpenTask

_ADMIN: Final = "/v1/admin"


def _read(path: str, summary: str, answer: object, query: type | None = None, *refusals: int) -> Operation:
    return Operation(
        "GET",
        _ADMIN + path,
        summary,
        access=Access.OPERATOR,
        answer=answer,
        query=query,
        refusals=frozenset(refusals),
    )


def _change(path: str, summary: str, body: type, answer: object, status: int = 200) -> Operation:
    return Operation("POST", _ADMIN + path, summary, access=Access.OPERATOR, answer=answer, body=body, status=status)


def _create(path: str, summary: str, body: type, answer: object) -> Operation:
    return _change(path, summary, body, answer, status=201)


OPERATORS: Final = (
    Operation("GET", "/metrics", "Prometheus metrics", access=Access.OPERATOR, media_type="text/plain"),
    _read("/whoami", "Who the caller is", WhoAmI),
    _create("/accounts", "Register an account", NewAccount, Account),
    _read("/accounts", "List accounts by name", Listed[Account], PageQuery),
    _read("/accounts/{name}", "Show an account", Account),
    Operation(
        "POST",
        f"{_ADMIN}/accounts/{{name}}/keys",
        "Register a key of an account, by a proof of possession",
        access=Access.OPERATOR,
        answer=AccountKey,
        status=201,
        body=NewAccountKey,
    ),
    _read("/accounts/{name}/keys", "List every key that an account ever had", Listed[AccountKey], None, 400),
    _change("/accounts/{name}/keys/{jkt}/revoke", "Revoke a key of an account, for good", KeyRevocation, AccountKey),
    _create("/agents", "Register an agent", NewAgent, DescribedAgent),
    _read("/agents", "List agents, grouped by account", Listed[DescribedAgent], AgentQuery, 404),
    _read("/agents/{account}/{path}", "Show an agent", DescribedAgent, None, 400),
    _create("/entries", "Register an entry", NewEntry, Entry),
    _read("/entries", "List entries, oldest first", Listed[Entry], EntryQuery),
    _read("/entries/{id}", "Show an entry", Entry),
    Operation("DELETE", f"{_ADMIN}/entries/{{id}}", "Delete an entry", access=Access.OPERATOR, answer=Entry),
    _read("/agent-keys", "List keys of agents, oldest first", Listed[SubjectKey], AgentKeyQuery),
    _change(
        "/agent-keys/{jkt}/revoke", "Revoke a key and the tokens of its agent, for good", KeyRevocation, SubjectKey
    ),
    _create("/grants", "Register a grant", NewGrant, Grant),
    _read("/grants", "List grants, oldest first", Listed[Grant], GrantQuery),
    _read("/grants/{id}", "Show a grant", Grant),
    _create("/import", "Register up to a thousand records, all or none", Import, Imported),
    _create("/join-tokens", "Make a join token; it is shown this once", NewJoinToken, JoinToken),
    _read("/sidecars", "List sidecars by name", Listed[Sidecar], PageQuery),
    _create("/operators", "Register an operator; the credential is shown this once", NewOperator, OperatorCredential),
    _read("/operators", "List operators by name", Listed[Operator], PageQuery),
    _create("/providers", "Register a provider; its credential is shown this once", NewProvider, ProviderCredential),
    _read("/providers", "List providers by name", Listed[Provider], PageQuery),
    _read("/providers/{name}", "Show a provider", Provider),
    _create(
        "/providers/{name}/credential",
        "Make a new credential, shown this once; the old one ends",
        NewCredential,
        ProviderCredential,
    ),
    Operation(
        "POST",
        f"{_ADMIN}/resolve",
        "What words mean; a POST because a token must not get into a URL",
        access=Access.OPERATOR,
        answer=Resolved,
        body=Question,
        refusals=frozenset({404, 409}),
    ),
    _change("/suspend", "Suspend what the words mean", Stop, Stopped),
    _change("/resume", "Resume what the words mean", Stop, Stopped),
    _change("/revoke", "Revoke what the words mean, for good", Stop, Stopped),
    _change("/sidecars/{name}/evict", "End a sidecar's sessions and forget its key; it joins anew", Eviction, Stopped),
    _change("/sidecars/{name}/ban", "Revoke a sidecar: neither name nor key joins again", Eviction, Stopped),
    _change("/tasks/complete", "Revoke what a task was granted, because it is done", Completion, Stopped),
    _read("/tasks", "List open tasks, or those that linger; those that end first first", Listed[OpenTask], TasksQuery),
    _read("/enforcement/{seq}", "Which verifiers enforce a change, and which are silent", Report, EnforcementQuery),
    _read("/insight", "How long authority took to end, and where it lingers", Overview, InsightQuery),
    _read("/verifiers", "List registered verifiers by provider", Listed[ShownVerifier], PageQuery),
    _read("/keys", "Every signing key, the newest last", Listed[KeyDescription]),
    _change("/keys/rotate", "Prepare the next signing key", RotateRequest, Rotated),
    _read("/audit", "Audit records", AuditPage, AuditParameters),
    _read("/status", "How far the status lists are used", Status),
)
"""What operators ask."""
