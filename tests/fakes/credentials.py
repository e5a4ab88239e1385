"""Credentials as a verifier makes them."""

from remit.credential import Credential, StatusReference
from remit.ids import AgentName, TrustDomain
from remit.scope import SpendScope

AGENT = AgentName.parse("acme/planner")


def make_credential(scope: SpendScope) -> Credential:
    """A credential of acme/planner for task-81, with `scope`."""
    return Credential(
        issuer="https://issuer.example.org",
        spiffe_id=AGENT.spiffe_id(TrustDomain("example.org")),
        agent=AGENT,
        account="acme",
        audience="https://api.example.com",
        task="task-81",
        scope=scope,
        issued_at=1000,
        expires_at=1300,
        jti="j-1",
        status=StatusReference("https://issuer.example.org/statuslists/1", 4),
    )
