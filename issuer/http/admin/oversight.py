"""What can only be looked at: the audit log and the status lists."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from aiohttp import web

from issuer.audit.model import AuditQuery, Outcome, RecordedDecision
from issuer.http.answers import answer
from issuer.http.operators import OperatorGate
from issuer.http.requests import read_query
from issuer.registry.roles import Action
from issuer.services import Services

_MAX_SEQ: Final = 2**63 - 1


class AuditParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which audit records to show; see `issuer.audit.model.AuditQuery`."""

    after: Annotated[int, msgspec.Meta(ge=0, le=_MAX_SEQ)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    newest: bool = False
    agent: str | None = None
    kind: str | None = None
    outcome: Outcome | None = None


class AuditPage(msgspec.Struct, frozen=True):
    """A page of the audit log.

    Attributes:
        records: oldest first.
        next: what to pass as `after` to go on from here, now or when there are more.
    """

    records: Sequence[RecordedDecision]
    next: int


class ListStatus(msgspec.Struct, frozen=True):
    """A status list; see `issuer.status.model.ListFigures`."""

    uri: str
    size: int
    allocated: int
    revoked: int
    suspended: int


class Status(msgspec.Struct, frozen=True):
    """All status lists, and the number of their last change."""

    seq: int
    lists: Sequence[ListStatus]


class OversightRoutes:
    """`/audit`, `/status`."""

    def __init__(self, services: Services, gate: OperatorGate) -> None:
        self._services = services
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/v1/admin/audit", self.audit),
            web.get("/v1/admin/status", self.status),
        ]

    async def audit(self, request: web.Request) -> web.Response:
        """Show audit records; to an operator of one account those that concern it."""
        viewer = await self._gate.admit(request, Action.READ)
        asked = read_query(request, AuditParameters)
        records = await self._services.audit.query(
            AuditQuery(
                after=asked.after,
                limit=asked.limit,
                newest=asked.newest,
                account=viewer.account,
                agent=asked.agent,
                kind=asked.kind,
                outcome=asked.outcome,
            )
        )
        return answer(AuditPage(records, records[-1].seq if records else asked.after))

    async def status(self, request: web.Request) -> web.Response:
        """Show how far the status lists are used: figures of all accounts together, not for an operator of one."""
        await self._gate.admit(request, Action.OVERSEE)
        figures = await self._services.statuses.figures()
        lists = [
            ListStatus(self._uri(item.number), item.size, item.allocated, item.revoked, item.suspended)
            for item in figures.lists
        ]
        return answer(Status(figures.seq, lists))

    def _uri(self, number: int) -> str:
        return f"{self._services.config.url}/statuslists/{number}"
