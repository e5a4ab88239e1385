"""`/v1/tasks/complete`: telling the issuer that a task is over, so that everything granted for it ends."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
from msgspec import Struct

from remit.errors import UnavailableError
from sidecar.errors import IssuerRefusedError
from sidecar.tokens import Tokens


class _Answer(Struct, frozen=True):
    grants: int


class Completion:
    """Ends tasks."""

    def __init__(self, post: Callable[[bytes], Awaitable[bytes]], tokens: Tokens) -> None:
        """`post` sends the body to `/v1/tasks/complete`; what `tokens` holds for a task is dropped with it."""
        self._post = post
        self._tokens = tokens

    async def complete(self, agent: str, task: str) -> int:
        """End a task of an agent; how many grants that ended, 0 when it had ended before.

        Raises:
            IssuerRefusedError: the issuer refused.
            UnavailableError: it did not answer.
        """
        self._tokens.drop_task(task, frozenset({agent}))
        body = await self._post(msgspec.json.encode({"agent": agent, "task": task}))
        try:
            return msgspec.json.decode(body, type=_Answer).grants
        except msgspec.MsgspecError as error:
            raise UnavailableError("the issuer's answer does not parse", code="issuer_unavailable") from error


def whose_task(agents: Sequence[str], named: str | None) -> Sequence[str]:
    """The agents whose task a workload ends: every one that it is, or the one that it names, which may be below one of them.

    Raises:
        IssuerRefusedError: it names another (code `no_entry`).
    """
    if named is None:
        return agents
    if any(named == agent or named.startswith(f"{agent}/sub/") for agent in agents):
        return (named,)
    raise IssuerRefusedError("this workload is not that agent", code="no_entry", status=403, hint="leave the agent out")
