"""Finding what words mean. What the operator may not see does not exist; what is ambiguous is not guessed."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec

from issuer.authority import store
from issuer.authority.model import Kind
from issuer.authority.targets import HeldGrant, Target, of_grants
from issuer.authority.words import Meaning
from issuer.did.store import scid_of
from issuer.errors import AmbiguousNameError, NotFoundError
from issuer.keys.store import load as load_keys
from issuer.persons.store import find_person
from issuer.registry.roles import Operator
from issuer.registry.state import State, effective
from issuer.registry.store.accounts import find_accounts
from issuer.registry.store.agents import find_agents
from issuer.registry.store.chain import states_above, states_above_grant, states_to
from issuer.registry.store.operators import read_operator
from issuer.registry.store.providers import read_provider
from issuer.registry.store.sidecars import find_sidecars
from issuer.storage import Transaction
from remit.errors import InvalidInputError
from remit.ids import AgentName


async def resolve(tx: Transaction, operator: Operator, possible: Sequence[Meaning]) -> Target:
    """Find the one thing that the words mean.

    Raises:
        NotFoundError: nothing that the operator sees.
        AmbiguousNameError: several things; the hint lists them.
    """
    found = [
        target
        for meaning in possible
        if await _is_ours(tx, meaning) and (target := await _find(tx, operator, meaning)) is not None
    ]
    if not found:
        raise _nothing(possible)
    if len(found) > 1:
        candidates = " or ".join(f"{target.kind.value}:{target.id}" for target in found)
        raise AmbiguousNameError("that names several things", hint=f"say {candidates}")
    return found[0]


async def resolve_task(tx: Transaction, operator: Operator, task: str, agent: str | None) -> Target:
    """Find a task, or the part of it that is one agent's.

    Raises:
        NotFoundError: the operator sees no grant for it.
    """
    held = [grant for grant in await store.grants_of_task(tx, task) if operator.account in (None, grant.account)]
    held = [grant for grant in held if agent in (None, grant.agent)]
    if not held:
        raise NotFoundError("no grant for this task is known", hint="`remit task list` shows open tasks")
    return of_grants(Kind.TASK, task, tuple(held), State.ACTIVE, None)


_LISTED_BY: Final = {Kind.TOKEN: "audit list --kind issuance"}
_PREFIXED: Final = "sidecar:, provider:, operator:, key:, person:"


async def _is_ours(tx: Transaction, meaning: Meaning) -> bool:
    """Whether what was named by its did:webvh has the history that this certifies, and not only the name."""
    return meaning.scid is None or meaning.scid == await scid_of(tx, meaning.name)


def _nothing(possible: Sequence[Meaning]) -> NotFoundError:
    if [meaning.kind for meaning in possible] == [Kind.PERSON]:
        return NotFoundError(
            "no agent has acted for this person",
            hint="compare issuer and subject with `iss` and `sub` of their tokens; the provider that knows them ends their account",
        )
    return NotFoundError("nothing is known by that name", hint=_where_to_look(possible))


def _where_to_look(possible: Sequence[Meaning]) -> str:
    if len(possible) != 1:
        return f"name an account, an agent, a SPIFFE ID, a DID, a token, a jti, a grant or a task; others by their prefix: {_PREFIXED}"
    kind = possible[0].kind
    return f"`remit {_LISTED_BY.get(kind, f'{kind} list')}` shows those that there are"


async def _find(tx: Transaction, operator: Operator, meaning: Meaning) -> Target | None:
    if meaning.kind is Kind.TASK:
        return await _task(tx, operator, meaning.name)
    target = await _FINDERS[meaning.kind](tx, meaning.name)
    visible = target is not None and operator.account in (None, target.account)
    return target if visible else None


async def _account(tx: Transaction, name: str) -> Target | None:
    row = (await find_accounts(tx, [name])).get(name)
    if row is None:
        return None
    below, count = await store.grants_below(tx, Kind.ACCOUNT, row.id)
    return Target(kind=Kind.ACCOUNT, id=name, key=row.id, account=name, state=row.state, below=below, below_count=count)


async def _agent(tx: Transaction, text: str) -> Target | None:
    try:
        name = AgentName.parse(text)
    except InvalidInputError:
        return None
    row = (await find_agents(tx, [name])).get(name)
    if row is None:
        return None
    below, count = await store.grants_below(tx, Kind.AGENT, row.id)
    return Target(
        kind=Kind.AGENT,
        id=text,
        key=row.id,
        account=name.account,
        agent=text,
        state=row.state,
        above=effective(await states_above(tx, row.id)),
        below=below,
        below_count=count,
    )


async def _grant(tx: Transaction, grant_id: str) -> Target | None:
    held = await store.grant_by_id(tx, grant_id)
    if held is None:
        return None
    target = of_grants(Kind.GRANT, grant_id, (held,), await _above(tx, held), held.index)
    below, count = await store.grants_below(tx, Kind.GRANT, grant_id)
    return msgspec.structs.replace(target, below=below, below_count=count)


async def _task(tx: Transaction, operator: Operator, task: str) -> Target | None:
    held = [grant for grant in await store.grants_of_task(tx, task) if operator.account in (None, grant.account)]
    if not held:
        return None
    above = await _above(tx, held[0]) if len(held) == 1 else State.ACTIVE
    return of_grants(Kind.TASK, task, tuple(held), above, None)


async def find_token(tx: Transaction, jti: str) -> Target | None:
    """The token that was issued by this `jti`, or None."""
    token = await store.issued_token(tx, jti)
    held = None if token is None else await store.grant_by_id(tx, token.grant_id)
    if token is None or held is None:
        return None
    return of_grants(Kind.TOKEN, jti, (held,), await _above(tx, held), token.index)


async def _sidecar(tx: Transaction, name: str) -> Target | None:
    row = (await find_sidecars(tx, [name])).get(name)
    return None if row is None else Target(kind=Kind.SIDECAR, id=name, key=row.id, state=row.state)


async def _operator(tx: Transaction, name: str) -> Target | None:
    found = await read_operator(tx, name)
    return None if found is None else Target(kind=Kind.OPERATOR, id=name, state=found.state)


async def _provider(tx: Transaction, name: str) -> Target | None:
    found = await read_provider(tx, name)
    return None if found is None else Target(kind=Kind.PROVIDER, id=name, state=found.state)


async def _person(tx: Transaction, digest: str) -> Target | None:
    row = await find_person(tx, digest)
    if row is None:
        return None
    below, count = await store.grants_below(tx, Kind.PERSON, row.id)
    return Target(kind=Kind.PERSON, id=digest, key=row.id, state=row.state, below=below, below_count=count)


async def _key(tx: Transaction, kid: str) -> Target | None:
    found = (await load_keys(tx)).find(kid)
    if found is None:
        return None
    return Target(kind=Kind.KEY, id=kid, state=State.REVOKED if found.revoked else State.ACTIVE)


async def _above(tx: Transaction, grant: HeldGrant) -> State:
    return effective([*await states_above_grant(tx, grant.id), *await states_to(tx, grant.agent_id)])


_FINDERS: Final[Mapping[Kind, Callable[[Transaction, str], Awaitable[Target | None]]]] = {
    Kind.ACCOUNT: _account,
    Kind.AGENT: _agent,
    Kind.GRANT: _grant,
    Kind.TOKEN: find_token,
    Kind.SIDECAR: _sidecar,
    Kind.OPERATOR: _operator,
    Kind.PROVIDER: _provider,
    Kind.PERSON: _person,
    Kind.KEY: _key,
}
"""A task is not here: what it is depends on what the operator sees."""
