"""What a sub-agent may be granted at most: what every agent above it has. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from remit.errors import ScopeRefusedError
from remit.ids import AgentName
from remit.scope import SpendScope

Ceilings = tuple[tuple[str, str], ...]
"""For each agent above: its full name, and the spend scope of its standing grant, JSON text."""


def agents_above(name: AgentName) -> Iterator[AgentName]:
    """The agents above one, the nearest first."""
    above = name.parent
    while above is not None:
        yield above
        above = above.parent


def within(scope: SpendScope, ceilings: Ceilings) -> SpendScope:
    """The scope of a sub-agent's grant, which must not be wider than the standing grant of any agent above.

    A list or a limit that it leaves out it has from them, as a request has it from a grant.

    Raises:
        ScopeRefusedError: it is wider (`scope_too_wide`); the hint names the agent above.
    """
    for agent, ceiling in ceilings:
        try:
            scope = replace(SpendScope.parse(ceiling), funding=None).narrow(scope)
        except ScopeRefusedError as error:
            raise ScopeRefusedError(
                f"the sub-agent's {error.detail}",
                code=error.code,
                hint=f"a sub-agent has no more than agent {agent}, above it: grant it less, or that agent more",
            ) from error
    return scope
