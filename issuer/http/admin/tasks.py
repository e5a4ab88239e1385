"""Open tasks: which there are, which linger, and their end."""

from typing import Annotated

import msgspec
from aiohttp import web

from issuer.authority.model import Completion
from issuer.http.answers import answer
from issuer.http.operators import OperatorGate
from issuer.http.pages import PageQuery, answer_page
from issuer.http.requests import read_query
from issuer.registry.requests import parse_agent
from issuer.registry.roles import Action
from issuer.services import Services
from issuer.tasks.model import LINGERING_SECONDS, TaskQuery


class TasksQuery(PageQuery, frozen=True, forbid_unknown_fields=True):
    """Which open tasks to list: those of `agent`, if given.

    With `lingering`, only those for which nobody has held a token for `for_seconds`.
    """

    agent: str | None = None
    lingering: bool = False
    for_seconds: Annotated[int, msgspec.Meta(ge=0, le=31_536_000)] = LINGERING_SECONDS


class TaskRoutes:
    """`/tasks`."""

    def __init__(self, services: Services, gate: OperatorGate) -> None:
        self._services = services
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [web.get("/v1/admin/tasks", self.list), web.post("/v1/admin/tasks/complete", self.complete)]

    async def list(self, request: web.Request) -> web.Response:
        """List open tasks, those that end first first."""
        viewer = await self._gate.admit(request, Action.READ)
        query, now = read_query(request, TasksQuery), self._services.now()
        wanted = TaskQuery(
            account=viewer.account,
            agent=None if query.agent is None else str(parse_agent(query.agent)),
            unused_since=now - query.for_seconds if query.lingering else None,
            after=query.after,
            limit=query.limit,
        )
        return answer_page(await self._services.tasks.open(wanted, now), query, lambda task: task.cursor)

    async def complete(self, request: web.Request) -> web.Response:
        """Revoke the grants of a task, of every agent or of one, and all that is below them, because it is done."""
        change, body = await self._gate.change(request, Action.STOP, Completion)
        return answer(await self._services.authority.complete(change, body))
