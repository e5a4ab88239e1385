"""What an agent asks its sidecar for, and what comes back: requests, tokens and identities as values."""

from dataclasses import dataclass, field

import msgspec

from remit.errors import InvalidInputError, UnavailableError
from remit.ids import SPIFFEID, AgentName, TrustDomain
from remit.scope import SpendScope


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What an agent asks for.

    Attributes:
        audience: the provider that the token is for.
        task: the task it is for, or None for the agent's standing authority.
        scope: what to narrow the grant's scope to, or None for all of it.
        reason: why the agent wants it; recorded in the audit log, never in the token.
        agent: which agent, where the process is entitled to several.
        on_behalf_of: the OIDC token of the person that the agent acts for; only a reference to the person goes into the token.
        task_ttl_seconds: how long the task may last, if this request is its first.
        sub_agent: whom to delegate to, below the agent: `reader`, or `reader/sub/x`; None asks for the agent's own token.
        ttl_seconds: how long a delegated token may live at most.
    """

    audience: str
    task: str | None = None
    scope: SpendScope | None = None
    reason: str | None = None
    agent: str | None = None
    on_behalf_of: str | None = field(default=None, repr=False)
    task_ttl_seconds: int | None = None
    sub_agent: str | None = None
    ttl_seconds: int | None = None

    @property
    def target(self) -> str:
        """The path of the sidecar's HTTP API that answers it."""
        return "/v1/token" if self.sub_agent is None else "/v1/delegate"

    def to_wire(self) -> dict[str, object]:
        """The body of the request."""
        wire: dict[str, object] = {
            "audience": self.audience,
            "task": self.task,
            "reason": self.reason,
            "agent": self.agent,
            "on_behalf_of": self.on_behalf_of,
            "task_ttl_seconds": self.task_ttl_seconds,
            "sub_agent": self.sub_agent,
            "ttl_seconds": self.ttl_seconds,
        }
        if self.scope is not None:
            wire["authorization_details"] = [self.scope.to_wire()]
        return {name: value for name, value in wire.items() if value is not None}


@dataclass(frozen=True, slots=True)
class AgentToken:
    """A token of the agent; its `repr` leaves the token itself out.

    Attributes:
        token: what goes into the `Authorization` header, after its type.
        issued_at: unix seconds.
        expires_at: unix seconds.
        agent: whom it identifies.
        spiffe_id: the same, as a SPIFFE ID.
        audience: the provider that it is for.
        task: the task that it is for, or None.
        token_type: `Bearer`, or `DPoP`: it is bound to the agent's key, and each request needs a proof by that (RFC 9449).
    """

    token: str = field(repr=False)
    issued_at: int
    expires_at: int
    agent: AgentName
    spiffe_id: SPIFFEID
    audience: str
    task: str | None
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme

    @property
    def is_bound(self) -> bool:
        """Whether it is bound to the agent's key."""
        return self.token_type == "DPoP"  # noqa: S105 - the name of a scheme

    @property
    def renew_at(self) -> float:
        """When half of its life is over, in unix seconds."""
        return (self.issued_at + self.expires_at) / 2

    @classmethod
    def from_wire(cls, answer: object) -> "AgentToken":
        """The token in the sidecar's answer; fields that this version does not know are left alone.

        Raises:
            UnavailableError: it is no such answer.
        """
        try:
            wire = msgspec.convert(answer, _TokenWire)
            agent, spiffe_id = AgentName.parse(wire.agent), SPIFFEID.parse(wire.spiffe_id)
        except (msgspec.ValidationError, InvalidInputError) as error:
            raise not_understood(error) from None
        times = wire.issued_at, wire.expires_at
        return cls(wire.token, *times, agent, spiffe_id, wire.audience, wire.task, wire.token_type)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the calling process is to the sidecar.

    Attributes:
        agents: the agents that it may act for, the most specific first.
        trust_domain: the trust domain they are in.
        issuer: the URL of the issuer.
    """

    agents: tuple[AgentName, ...]
    trust_domain: TrustDomain
    issuer: str

    @classmethod
    def from_wire(cls, answer: object) -> "Identity":
        """The identity in the sidecar's answer; raises `UnavailableError` when it is none."""
        try:
            wire = msgspec.convert(answer, _IdentityWire)
            return cls(tuple(map(AgentName.parse, wire.agents)), TrustDomain(wire.trust_domain), wire.issuer)
        except (msgspec.ValidationError, InvalidInputError) as error:
            raise not_understood(error) from None


class _TokenWire(msgspec.Struct, frozen=True):
    token: str
    issued_at: int
    expires_at: int
    agent: str
    spiffe_id: str
    audience: str
    task: str | None = None
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme


class _IdentityWire(msgspec.Struct, frozen=True):
    agents: list[str]
    trust_domain: str
    issuer: str


def not_understood(error: Exception) -> UnavailableError:
    """The error that an answer stands for which is not what it should be."""
    return UnavailableError(f"the sidecar's answer is not understood: {error}", hint="are both of one version?")
