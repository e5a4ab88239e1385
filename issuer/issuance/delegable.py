"""Reading what a delegation rests on: the parent's token as it was recorded, and everything above it as it is now."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import takewhile

from issuer.errors import NotEntitledError
from issuer.issuance import store
from issuer.issuance.decision import Above
from issuer.issuance.delegation import Delegable, check_name, task_of
from issuer.issuance.model import Delegation, IssuanceRequest, Link, Node
from issuer.persons.store import read_person
from issuer.storage import Transaction


async def delegable(
    tx: Transaction,
    request: IssuanceRequest,
    delegation: Delegation,
    sidecar: Link | None,
    has_room: Callable[[int], Awaitable[bool]],
) -> Delegable:
    """Read what the decision on a delegation needs.

    Args:
        tx: one snapshot.
        request: what is asked for.
        delegation: the parent's token.
        sidecar: the sidecar that asks, or None.
        has_room: whether an agent may have a grant for one more task.

    Raises:
        NotEntitledError: the name or the task is not one to delegate to, see `check_name` and `task_of`.
    """
    agent, task = check_name(request, delegation), task_of(request, delegation)
    parent = await store.grant_line(tx, delegation.grant_id)
    if parent is None:
        raise NotEntitledError("the grant of the parent's token is not there", code="no_grant")
    child = await store.sub_agent(tx, parent.agent_id, agent.path)
    lowest = parent.agent_id if child is None else child
    own = None if child is None else await store.delegated_grant(tx, child, parent, task)
    person = None if parent.person_id is None else await read_person(tx, parent.person_id)
    chain = (await store.chains(tx, {lowest}))[lowest]
    return Delegable(
        chain=chain,
        known=child is not None,
        living=(0, 0) if child is not None else await store.living_sub_agents(tx, parent.agent_id, agent.path),
        parent=parent,
        status=await store.status(tx, delegation.index),
        own=own,
        above=await _above(tx, chain, parent.line[-1].agent_id),
        sidecar=sidecar,
        key=None if delegation.jkt is None else await store.active_key(tx, delegation.jkt),
        person=None if person is None else store.person_node(person),
        person_digest=None if person is None else person.digest,
        room=own is not None or task is None or child is None or await has_room(child),
    )


async def _above(tx: Transaction, chain: Sequence[Node], agent_id: int) -> tuple[Above, ...]:
    """The agents above one of the chain, with their standing grants; usually there are none."""
    agents = list(takewhile(lambda node: node.link.id != agent_id, chain[1:]))
    standing = await store.standing_grants(tx, {int(node.link.id) for node in agents})
    return tuple(Above(node.label.removeprefix("agent "), standing.get(int(node.link.id))) for node in agents)
