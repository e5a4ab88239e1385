"""A real issuer on a loopback port, and a client of its operator routes, over a temporary database, with a clock that is set."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from attestors.http_client import AiohttpClient
from issuer.app import open_services
from issuer.audit.model import AuditQuery, Outcome, RecordedDecision
from issuer.config import Config
from issuer.http.server import make_app
from issuer.services import Services
from issuer.storage import SQLiteDatabase

URL = "https://issuer.example.org"


@dataclass
class SetClock:
    """A clock that is set."""

    ms: int = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


@dataclass
class AdminIssuer:
    """The issuer, and a client of its operator routes."""

    services: Services
    client: TestClient
    token: str
    clock: SetClock = field(default_factory=SetClock)

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = "",
        headers=None,
        status: int | None = None,
    ):
        """Call a route as the admin, or with another `token` (None: without any); returns the decoded answer."""
        response = await self.send(method, path, body, token=token, headers=headers)
        answer = await response.json(content_type=None)
        assert status is None or response.status == status, answer
        return answer

    async def send(
        self, method: str, path: str, body: object = None, *, token: str | None = "", headers=None
    ) -> ClientResponse:
        """As `call`, but returns the response."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token or self.token}"
        arguments = {"json": body} if body is not None else {}
        return await self.client.request(method, f"/v1/admin{path}", headers=sent, **arguments)

    async def operator(self, name: str, role: str, account: str | None = None) -> str:
        """Register an operator; returns the credential."""
        body = {"name": name, "role": role} | ({"account": account} if account else {})
        return (await self.call("POST", "/operators", body, status=201))["token"]

    async def records(self, *, outcome: str | None = None, **which: object) -> list[RecordedDecision]:
        """Audit records."""
        wanted = None if outcome is None else Outcome(outcome)
        return await self.services.audit.query(AuditQuery(limit=1000, outcome=wanted, **which))

    async def register(self, *agents: str, account: str = "acme") -> None:
        """Register an account and agents of it, each with a standing grant."""
        await self.call("POST", "/accounts", {"name": account, "owner": "ana"}, status=201)
        for agent in agents:
            await self.call("POST", "/agents", {"agent": agent}, status=201)
            await self.call("POST", "/grants", {"agent": agent}, status=201)


@asynccontextmanager
async def running(folder: Path):
    """Start the issuer in `folder`."""
    clock = SetClock()
    config = Config(trust_domain="example.org", public_url=URL, data_dir=str(folder))
    database = SQLiteDatabase(config.database_path)
    async with AiohttpClient() as outgoing:
        try:
            services = await open_services(config, database, outgoing, clock_ms=clock)
            credential = await services.registry.create_first_operator("root", clock())
            async with TestClient(TestServer(make_app(services))) as client:
                yield AdminIssuer(services, client, credential.token, clock)
        finally:
            await database.close()
