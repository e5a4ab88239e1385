"""The values of an issuance: what is asked, what the registry says, what was decided, what left."""

import re
from typing import Final, Literal

from msgspec import Struct

from attestors.base import Appraisal
from issuer.attestation.model import ActiveSidecar
from issuer.persons.model import OnBehalf
from issuer.registry.state import State
from issuer.status.model import StatusIndex
from remit.errors import InvalidInputError
from remit.ids import AgentName, check_task
from remit.scope import SpendScope

_AUDIENCE_RE: Final = re.compile(r"[!-~]{1,2048}", re.ASCII)
_MAX_REASON: Final = 2000


class Caller(Struct, frozen=True):
    """Who asks.

    Attributes:
        actor: its name in the audit log: `sidecar:edge-1`, `workload:oidc`, `agent:acme/planner`.
        sidecar_id: the sidecar whose entries apply, or None for a workload or an agent that came by itself.
        sidecar_jkt: the thumbprint of the key by which that sidecar is known; with another one it is another machine.
    """

    actor: str
    sidecar_id: int | None
    sidecar_jkt: str | None = None

    @classmethod
    def of(cls, sidecar: ActiveSidecar) -> "Caller":
        """A sidecar that proved who it is."""
        return cls(sidecar.actor, sidecar.id, sidecar.jkt)


class Delegation(Struct, frozen=True, kw_only=True):
    """An agent token whose holder wants one for a sub-agent: what the record of its issuance says of it.

    Attributes:
        jti: its id.
        agent: whose it is.
        grant_id: whose authority it carries.
        index: the place in a status list that it names.
        scope: its spend scope, JSON text.
        task: its task, or None.
        jkt: the thumbprint of the key that it is bound to, or None.
    """

    jti: str
    agent: AgentName
    grant_id: str
    index: StatusIndex
    scope: str
    task: str | None
    jkt: str | None


class IssuanceRequest(Struct, frozen=True, kw_only=True):
    """One request for credentials, after what came with it was verified.

    Attributes:
        caller: who asks; only entries of that parent apply.
        appraisal: what the evidence showed, until when, and whether it is used up by this; of a delegation, until when
            the parent's token lives.
        audience: the one provider that the token is for.
        agent: the agent that is asked for, or None for every agent that the evidence entitles to.
        delegation: the parent's token instead of evidence; then `agent` is the sub-agent, and no entry counts.
        person: on whose behalf, or None.
        task: the task that the token is for, or None for standing authority.
        scope: what to narrow the grant to, or None.
        reason: the workload's claimed reason, for the audit log.
        ttl_seconds: a shorter life than the usual one, or None.
        task_ttl_seconds: a shorter life than the usual one for the grant of the task, if this opens it, or None.
        single: whether exactly one credential is wanted.
    """

    caller: Caller
    appraisal: Appraisal
    audience: str
    agent: AgentName | None = None
    delegation: Delegation | None = None
    person: OnBehalf | None = None
    task: str | None = None
    scope: SpendScope | None = None
    reason: str | None = None
    ttl_seconds: int | None = None
    task_ttl_seconds: int | None = None
    single: bool = False

    def __post_init__(self) -> None:
        """Refuse what could not be issued for; raises `InvalidInputError`."""
        if _AUDIENCE_RE.fullmatch(self.audience) is None:
            raise InvalidInputError(
                "audience is not 1 to 2048 printable characters", hint="name the provider, as https://api.example.com"
            )
        if self.task is not None:
            check_task(self.task)
        if self.reason is not None and len(self.reason) > _MAX_REASON:
            raise InvalidInputError(f"reason is longer than {_MAX_REASON} characters")
        for name, seconds in (("ttl_seconds", self.ttl_seconds), ("task_ttl_seconds", self.task_ttl_seconds)):
            if seconds is not None and seconds < 1:
                raise InvalidInputError(f"{name} is not positive")

    @property
    def selectors(self) -> frozenset[str]:
        """What the evidence showed; never empty."""
        return self.appraisal.selectors


class Link(Struct, frozen=True, gc=False):
    """One thing that a decision rests on, as it was when it was read.

    Attributes:
        table: where it is kept.
        id: its key there.
        revision: grows with each change.
    """

    table: str
    id: int | str
    revision: int


class Node(Struct, frozen=True, gc=False):
    """An account, an agent or a person, as a link of the chain of authority.

    Attributes:
        link: where it is kept, and its revision.
        state: its own state.
        label: what people call it: `account acme`.
    """

    link: Link
    state: State
    label: str


class HeldKey(Struct, frozen=True, gc=False):
    """A key of an agent that tokens may be bound to.

    Attributes:
        link: where it is kept, and its revision.
        jkt: its thumbprint (RFC 7638).
        sidecar_id: the sidecar that holds it for the agent, or None: the agent itself does.
    """

    link: Link
    jkt: str
    sidecar_id: int | None

    @property
    def holder(self) -> Literal["agent", "sidecar"]:
        """Who holds its private half."""
        return "agent" if self.sidecar_id is None else "sidecar"


class Candidate(Struct, frozen=True):
    """An active registration entry that may match.

    Attributes:
        link: its key and revision.
        agent_id: whom it entitles.
        agent: the agent's full name.
        sidecar_id: its parent, or None.
        selectors: what a workload must have, all of it.
        ttl_seconds: the longest life of its tokens, or None.
        bound: whether its tokens are bound to the agent's key.
    """

    link: Link
    agent_id: int
    agent: str
    sidecar_id: int | None
    selectors: frozenset[str]
    ttl_seconds: int | None
    bound: bool = False


class HeldGrant(Struct, frozen=True):
    """A grant as a decision sees it.

    Attributes:
        id: its key.
        link: its key and revision.
        agent_id: whose it is.
        task: its task, or None for the standing one.
        scope: the spend scope, JSON text.
        funding: `jit` or `standing`.
        owner: who is accountable for it.
        ends_at: when it ends by itself, or the first of the grants above, unix seconds, or None.
        index: its place in a status list; None: it needs a fresh one.
        state: what it is worth, given the states of the grants above.
        opener: the grant above: that it was opened under or delegated from, or None.
        person_id: the key of the person on whose behalf it is, or None.
    """

    id: str
    link: Link
    agent_id: int
    task: str | None
    scope: str
    funding: Literal["jit", "standing"]
    owner: str
    ends_at: int | None
    index: StatusIndex | None
    state: State
    opener: "HeldGrant | None" = None
    person_id: int | None = None

    @property
    def line(self) -> "tuple[HeldGrant, ...]":
        """The grant, and every grant above it up to the first."""
        if self.opener is None:
            return (self,)
        line = [self]
        while line[-1].opener is not None:
            line.append(line[-1].opener)
        return tuple(line)


class Entitlement(Struct, frozen=True):
    """What the evidence of one request entitles it to, for one agent.

    Attributes:
        request: what was asked.
        entry: the most specific entry that matched.
        chain: the account, the agent's ancestors, and the agent itself last.
    """

    request: IssuanceRequest
    entry: Candidate
    chain: tuple[Node, ...]


class Basis(Struct, frozen=True):
    """Why a credential may be issued, whenever that is: good for as long as nothing that it rests on has changed.

    Attributes:
        agent: whose credential it is, its full name.
        entry: what entitles the workload; None for a sub-agent that its parent speaks for.
        grant: whose authority the credential carries.
        index: where its status is.
        scope: its spend scope, encoded.
        ends_at: when the first of the grants that it rests on ends by itself, unix seconds, or None.
        rests_on: everything whose change voids it.
        key: the key that the credential is bound to, or None: to none.
        person: the digest of the person on whose behalf it is, or None.
    """

    agent: str
    entry: Candidate | None
    grant: HeldGrant
    index: StatusIndex
    scope: bytes
    ends_at: int | None
    rests_on: frozenset[Link]
    key: HeldKey | None = None
    person: str | None = None


class Decision(Struct, frozen=True):
    """A credential that may be issued now.

    Attributes:
        request: what was asked.
        basis: why it may be issued.
        issued_at: unix seconds.
        expires_at: unix seconds.
        on_behalf_of: what its audience is told of the person on whose behalf it is, or None.
    """

    request: IssuanceRequest
    basis: Basis
    issued_at: int
    expires_at: int
    on_behalf_of: str | None = None


class PlannedGrant(Struct, frozen=True):
    """A grant that is to be opened.

    Attributes:
        task: its task, or None.
        scope: its spend scope, encoded.
        funding: `jit` or `standing`.
        delegated: whether it is a sub-agent's, delegated from its parent's; a sub-agent that is not there is made with it.
        person: the digest of the person on whose behalf it is, unless the grant that it is opened under says so.
    """

    task: str | None
    scope: bytes
    funding: Literal["jit", "standing"]
    delegated: bool = False
    person: str | None = None


class Opening(Struct, frozen=True):
    """What must be there before a decision can be made: a grant, or a fresh status index.

    Attributes:
        request: what was asked.
        agent: the full name of the agent whose grant it is.
        under: the grant that another one is opened under, or that needs the index.
        planned: the other one, or None when only an index is missing.
        rests_on: everything whose change voids it.
    """

    request: IssuanceRequest
    agent: str
    under: HeldGrant
    planned: PlannedGrant | None
    rests_on: frozenset[Link]


class IssuedCredential(Struct, frozen=True):
    """A token that was signed and recorded.

    Attributes:
        agent: whose it is.
        spiffe_id: its `sub`.
        token: the compact JWS.
        issued_at: unix seconds.
        expires_at: unix seconds.
        grant: the id of the grant behind it.
        task: its task, or None.
        scope: its spend scope, encoded.
        key: the agent's key that it is bound to, or None: it is a bearer token.
    """

    agent: str
    spiffe_id: str
    token: str
    issued_at: int
    expires_at: int
    grant: str
    task: str | None
    scope: bytes
    key: HeldKey | None = None

    @property
    def token_type(self) -> str:
        """How it is presented: `Bearer`, or `DPoP` when it is bound to a key (RFC 9449 section 5)."""
        return "Bearer" if self.key is None else "DPoP"
