"""Decisions that were made before: they need no read to be made again, because the record reads again what they rest on.

Only requests that name their agent, and come with its own evidence and on nobody's behalf, are remembered. What could lead to another decision on such a request changes
something that the remembered one rests on: agents, their grants and entries by a state or a new revision, and an agent's
revision also grows when it gets another entry. A request without a name could be answered with one agent more, and is read anew.
"""

from typing import Final

from cachetools import LRUCache

from issuer.issuance.model import Basis, IssuanceRequest
from remit.scope import SpendScope

_REMEMBERED: Final = 8192
"""Most decisions that are remembered, each some 2 KB."""

_Key = tuple[int | None, str | None, str, str | None, SpendScope | None, frozenset[str]]


class DecisionMemory:
    """What was decided, by who asked, what was shown and what was asked for."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._known: LRUCache[_Key, Basis] = LRUCache(_REMEMBERED)

    def recall(self, request: IssuanceRequest, now: int) -> Basis | None:
        """What was decided on such a request, if it is remembered and its grant has not ended by `now`.

        An end is no change that voids what rests on the grant: another grant may have taken its place unnoticed.
        """
        if not _is_usual(request):
            return None
        basis = self._known.get(_key(request))
        if basis is not None and basis.ends_at is not None and basis.ends_at <= now:
            self.forget(request)
            return None
        return basis

    def keep(self, request: IssuanceRequest, basis: Basis) -> None:
        """Remember a decision that has been recorded."""
        if _is_usual(request):
            self._known[_key(request)] = basis

    def forget(self, request: IssuanceRequest) -> None:
        """Forget a decision that turned out to be void."""
        self._known.pop(_key(request), None)


def _is_usual(request: IssuanceRequest) -> bool:
    return request.agent is not None and request.delegation is None and request.person is None


def _key(request: IssuanceRequest) -> _Key:
    caller = request.caller
    return caller.sidecar_id, caller.sidecar_jkt, str(request.agent), request.task, request.scope, request.selectors
