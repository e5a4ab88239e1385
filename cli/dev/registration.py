"""What is registered in a development trust domain: one account, one agent by uid, standing grants."""

import os
from collections.abc import Sequence

from cli.issuer_client import ADMIN, IssuerClient
from cli.problems import JSONObject
from remit.amounts import Amount
from remit.ids import AgentName
from remit.limits import Interval, SpendLimit
from remit.scope import SpendScope

_SIDECAR = "dev"
_PROVIDER = "dev"


def default_scope() -> SpendScope:
    """What the agent may do unless `--scope` says otherwise: any location, 100.00 USD a day."""
    return SpendScope(spend_limits=(SpendLimit(Amount.parse("100.00 USD"), Interval.DAILY),))


def create_join_token(issuer: IssuerClient) -> str:
    """A join token for the one sidecar."""
    return str(issuer.post(f"{ADMIN}/join-tokens", {"sidecar": _SIDECAR})["token"])


def create_provider(issuer: IssuerClient, audiences: Sequence[str]) -> str:
    """Register the one provider; returns its credential."""
    return str(issuer.post(f"{ADMIN}/providers", {"name": _PROVIDER, "audiences": list(audiences)})["credential"])


def register(issuer: IssuerClient, agent: AgentName, scope: SpendScope) -> None:
    """Register the account, the agent with those above it, its entry, and a standing grant for each, in one transaction."""
    line = [agent]
    while (parent := line[0].parent) is not None:
        line.insert(0, parent)
    agents: list[JSONObject] = [{"kind": "agent", "agent": str(one)} for one in line]
    grants: list[JSONObject] = [{"kind": "grant", "agent": str(one), "scope": scope.to_wire()} for one in line]
    records: list[JSONObject] = [
        {"kind": "account", "name": agent.account, "owner": "remit dev"},
        *agents,
        {"kind": "entry", "agent": str(agent), "sidecar": _SIDECAR, "selectors": [f"unix:uid:{os.getuid()}"]},
        *grants,
    ]
    issuer.post(f"{ADMIN}/import", {"records": records})
