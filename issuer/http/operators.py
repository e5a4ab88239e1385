"""Operators at the door: who is it, may they do this, and what do they want changed.

What a role may do is one table in `issuer.registry.roles`; what an account-limited operator sees is decided where it is read.
"""

from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from issuer.changes import Change
from issuer.http.bearer import bearer_credential
from issuer.http.idempotency import once
from issuer.http.middleware import PRINCIPAL, Principal
from issuer.http.requests import decode, read_body
from issuer.registry.roles import Action, Operator
from issuer.registry.service import Registry

T = TypeVar("T")


class OperatorGate:
    """Lets operators in."""

    def __init__(self, registry: Registry, clock_ms: Callable[[], int]) -> None:
        """Know operators by `registry`; `clock_ms` gives milliseconds since the epoch."""
        self._registry = registry
        self._clock_ms = clock_ms

    async def admit(self, request: web.Request, action: Action) -> Operator:
        """Return the operator who asks.

        Raises:
            UnauthenticatedError: no credential, or none of an active operator.
            NotAllowedError: `action` is not for them.
        """
        operator = await self._registry.identify(bearer_credential(request, whose="operator", prefix="remit_op_"))
        request[PRINCIPAL] = Principal(operator.actor, operator.account)
        operator.require(action)
        return operator

    async def change(
        self, request: web.Request, action: Action, shape: type[T], *, bulk: bool = False
    ) -> tuple[Change, T]:
        """Return who wants what changed, the body as a value of `shape`; `bulk` as for `decode`.

        Raises:
            UnauthenticatedError: see `admit`.
            NotAllowedError: see `admit`.
            InvalidInputError: the body or the Idempotency-Key is not valid.
        """
        operator = await self.admit(request, action)
        body = await read_body(request)
        return Change(operator, self._clock_ms(), once(request, body)), decode(body, shape, bulk=bulk)

    async def deletion(self, request: web.Request, action: Action) -> Change:
        """Return who wants what the path names deleted; there is no body. Raises as `change`."""
        operator = await self.admit(request, action)
        return Change(operator, self._clock_ms(), once(request, b""))
