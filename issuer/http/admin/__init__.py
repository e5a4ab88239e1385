"""The operators' routes, all under `/v1/admin`. Every one is guarded by `OperatorGate`; who may do what is its table."""

from aiohttp import web

from issuer.http.admin.account_keys import AccountKeyRoutes
from issuer.http.admin.accounts import AccountRoutes
from issuer.http.admin.agent_keys import AgentKeyRoutes
from issuer.http.admin.authority import AuthorityRoutes
from issuer.http.admin.enforcement import EnforcementRoutes
from issuer.http.admin.entries import EntryRoutes
from issuer.http.admin.insight import InsightRoutes
from issuer.http.admin.oversight import OversightRoutes
from issuer.http.admin.providers import ProviderRoutes
from issuer.http.admin.sidecars import SidecarRoutes
from issuer.http.admin.staff import StaffRoutes
from issuer.http.admin.tasks import TaskRoutes
from issuer.http.operators import OperatorGate
from issuer.services import Services

__all__ = ["routes"]


def routes(services: Services) -> list[web.RouteDef]:
    """The routes of the operators."""
    gate = OperatorGate(services.registry, services.clock_ms)
    return [
        *AccountRoutes(services, gate).routes(),
        *AccountKeyRoutes(services, gate).routes(),
        *EntryRoutes(services, gate).routes(),
        *AgentKeyRoutes(services, gate).routes(),
        *StaffRoutes(services, gate).routes(),
        *EnforcementRoutes(services, gate).routes(),
        *InsightRoutes(services, gate).routes(),
        *ProviderRoutes(services, gate).routes(),
        *AuthorityRoutes(services, gate).routes(),
        *SidecarRoutes(services, gate).routes(),
        *TaskRoutes(services, gate).routes(),
        *OversightRoutes(services, gate).routes(),
    ]
