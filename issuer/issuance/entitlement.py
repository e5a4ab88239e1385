"""Which agents a workload is, by the evidence that a joined sidecar shows; nothing is issued."""

from collections.abc import Sequence

from msgspec import Struct

from attestors.base import Appraisal
from issuer.errors import NotEntitledError
from issuer.issuance import store
from issuer.issuance.matching import match
from issuer.issuance.model import Caller, Candidate, IssuanceRequest
from issuer.registry.state import State
from issuer.storage import Database, Transaction
from remit.ids import AgentName


class EntitledAgent(Struct, frozen=True):
    """An agent that a workload may get credentials of.

    Attributes:
        agent: its name.
        entry: the id of the registration entry that says so.
    """

    agent: AgentName
    entry: str


async def entitled_agents(
    database: Database, appraisal: Appraisal, caller: Caller, agent: AgentName | None, audience: str
) -> tuple[EntitledAgent, ...]:
    """The active agents that evidence entitles to, the most specific entry first.

    Args:
        database: the registry.
        appraisal: what the evidence showed.
        caller: who showed it.
        agent: the only one that is of interest, or None.
        audience: for whom a credential would be; no decision rests on it.

    Raises:
        NotEntitledError: no entry matches (`no_entry`), or no agent that one is for is active (`agent_not_active`).
    """
    request = IssuanceRequest(caller=caller, appraisal=appraisal, audience=audience, agent=agent)
    active = await database.read(lambda tx: active_candidates(tx, request))
    return tuple(EntitledAgent(AgentName.parse(one.agent), str(one.link.id)) for one in active)


async def active_candidates(tx: Transaction, request: IssuanceRequest) -> Sequence[Candidate]:
    """The entries that entitle the workload of `request` to agents that are active, the most specific first; at least one.

    Raises:
        NotEntitledError: no entry matches (`no_entry`), several agents' do where one was needed (`ambiguous_agent`), or no
            agent that one is for is active (`agent_not_active`).
    """
    matched = match(request, await store.candidates(tx, request.selectors))
    chains = await store.chains(tx, {candidate.agent_id for candidate in matched})
    active = [each for each in matched if all(node.state is State.ACTIVE for node in chains[each.agent_id])]
    if not active:
        raise NotEntitledError(
            "no agent that the workload matches is active", code="agent_not_active", hint="an operator can resume it"
        )
    return active
