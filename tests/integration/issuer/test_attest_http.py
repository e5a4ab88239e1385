"""`/v1/attest/*` over a real socket: joining, sessions, workloads, and everything that is refused."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from attestors.http_client import AiohttpClient
from issuer.app import open_services
from issuer.audit.model import AuditQuery
from issuer.changes import Change
from issuer.config import Config
from issuer.http.attest import AttestRoutes
from issuer.http.middleware import problems_and_records
from issuer.http.requests import MAX_BODY_BYTES
from issuer.http.sidecars import SidecarGate, send_nonce
from issuer.registry.requests import NewAccount, NewAgent, NewEntry, NewJoinToken
from issuer.registry.roles import Operator, Role
from issuer.services import Services
from issuer.storage import SQLiteDatabase
from remit.dpop import create_proof

NOW = 1_800_000_000
PUBLIC_URL = "https://issuer.example.org"
CHANGE = Change(Operator(name="ana", role=Role.ADMIN), NOW * 1000)
EVIDENCE = {"attestor": "process", "uid": 1000, "gid": 1000}


class Sidecar:
    """Speaks to the routes as a sidecar does, and as one should not."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.session: str | None = None
        self.nonce: str | None = None
        self._url = url
        self._http = http

    async def post(self, path: str, content: object, **bent: Any) -> tuple[int, dict[str, Any]]:
        """POST with a good proof, unless `bent` says otherwise; one retry for the nonce."""
        status, answer = await self._once(path, content, **bent)
        if answer.get("code") == "use_dpop_nonce" and not bent:
            status, answer = await self._once(path, content)
        return status, answer

    async def join(self, token: str, **bent: Any) -> tuple[int, dict[str, Any]]:
        status, answer = await self.post(
            "/v1/attest/join", {"attestor": "join_token", "evidence": {"token": token}}, **bent
        )
        self.session = answer.get("session", self.session)
        return status, answer

    def proof(self, path: str, data: bytes, **bent: Any) -> str:
        arguments = {"now": NOW, "nonce": self.nonce, "body": data, "access_token": self.session, **bent}
        return create_proof(self.key, "POST", PUBLIC_URL + path, **arguments)

    async def _once(self, path: str, content: object, **bent: Any) -> tuple[int, dict[str, Any]]:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        session = bent.pop("session", self.session if path == "/v1/attest/workload" else None)
        media_type = bent.pop("media_type", "application/json")
        proof = bent.pop("proof", None) or self.proof(path, data, **{"access_token": session, **bent})
        headers = {"DPoP": proof, "Content-Type": media_type}
        if session is not None:
            headers["Authorization"] = f"DPoP {session}"
        async with self._http.post(self._url + path, data=io.BytesIO(data), headers=headers) as response:
            self.nonce = response.headers.get("DPoP-Nonce", self.nonce)
            return response.status, await response.json(content_type=None)


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    (tmp_path / "keys").mkdir(mode=0o700)
    config = Config(trust_domain="example.org", public_url=PUBLIC_URL, data_dir=str(tmp_path))
    database = SQLiteDatabase(config.database_path)
    async with AiohttpClient() as client:
        services = await open_services(config, database, client, clock_ms=lambda: NOW * 1000)
        await services.registry.create_first_operator("ana", NOW * 1000)
        yield services
    await database.close()


@pytest.fixture
async def url(services: Services) -> AsyncIterator[str]:
    app = web.Application(
        middlewares=[problems_and_records(services.audit, services.clock_ms)], client_max_size=MAX_BODY_BYTES
    )
    app.on_response_prepare.append(send_nonce)
    app.add_routes(AttestRoutes(services, SidecarGate(services)).routes())
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def sidecar(url: str) -> AsyncIterator[Sidecar]:
    async with aiohttp.ClientSession() as http:
        yield Sidecar(url, http)


async def join_token(services: Services, name: str = "edge-1") -> str:
    made = await services.registry.create_join_token(CHANGE, NewJoinToken(sidecar=name))
    return made.token


async def register(services: Services, agent: str, *selectors: str, sidecar: str | None = "edge-1") -> None:
    await services.registry.create_agent(CHANGE, NewAgent(agent=agent))
    await services.registry.create_entry(CHANGE, NewEntry(agent=agent, selectors=selectors, sidecar=sidecar))


async def refusals(services: Services) -> list[tuple[str, str]]:
    records = await services.audit.query(AuditQuery(limit=1000))
    return [(one.actor, str(one.detail["code"])) for one in records if one.outcome == "refused"]


async def test_a_sidecar_joins_and_asks_who_its_workloads_are(services: Services, sidecar: Sidecar) -> None:
    """Most specific first; what matches no entry of this sidecar is a problem of its own, and is recorded; asking for a nonce is not."""
    status, joined = await sidecar.join(await join_token(services))
    assert status == 200
    assert joined["sidecar"] == "edge-1"
    assert joined["spiffe_id"] == "spiffe://example.org/sidecar/edge-1"
    assert joined["trust_domain"] == "example.org"
    assert joined["expires_at"] == NOW + 3600
    await services.registry.create_account(CHANGE, NewAccount(name="acme", owner="ana@example.org"))
    await register(services, "acme/broad", "unix:uid:1000")
    await register(services, "acme/narrow", "unix:uid:1000", "unix:gid:1000")
    await register(services, "acme/direct", "unix:uid:1000", sidecar=None)
    await join_token(services, "edge-2")
    await register(services, "acme/elsewhere", "unix:uid:1000", sidecar="edge-2")
    workloads = [
        {"evidence": EVIDENCE},
        {"evidence": EVIDENCE, "agent": "acme/broad"},
        {"evidence": {**EVIDENCE, "uid": 7}},
    ]
    status, answer = await sidecar.post("/v1/attest/workload", {"workloads": workloads})
    assert status == 200
    both, one, none = answer["results"]
    assert [found["agent"] for found in both["agents"]] == ["acme/narrow", "acme/broad"]
    assert [found["spiffe_id"] for found in one["agents"]] == ["spiffe://example.org/account/acme/agent/broad"]
    assert none["problem"]["code"] == "no_entry"
    assert await refusals(services) == [("sidecar:edge-1", "no_entry")]


async def test_a_join_token_used_twice_at_the_same_moment(services: Services, url: str) -> None:
    """Over real connections: one joins, the rest are told that they came late, nothing else changes."""
    token = await join_token(services)
    async with aiohttp.ClientSession() as http:
        sidecars = [Sidecar(url, http) for _ in range(8)]
        for one in sidecars:
            one.nonce = services.proofs.nonce(NOW)
        answers = await asyncio.gather(*(one.join(token) for one in sidecars))
    assert sorted(status for status, _ in answers) == [200] + [403] * 7
    assert {answer["code"] for status, answer in answers if status == 403} == {"evidence_replayed"}


async def test_a_lost_join_answer_does_no_harm(services: Services, sidecar: Sidecar) -> None:
    """The key opens a session; the token itself is used."""
    token = await join_token(services)
    await sidecar.join(token)
    sidecar.session = None
    assert (await sidecar.join(token))[1]["code"] == "evidence_replayed"
    status, answer = await sidecar.post("/v1/attest/session", {})
    assert (status, answer["sidecar"]) == (200, "edge-1")
    sidecar.session = answer["session"]
    assert (await sidecar.post("/v1/attest/workload", {"workloads": [{"evidence": EVIDENCE}]}))[0] == 200


@pytest.mark.parametrize(
    "bent",
    [
        {"body": b"another body"},
        {"body": None},
        {"access_token": None},
        {"access_token": "another session"},
        {"now": NOW - 3600},
        {"proof": "not.a.proof"},
        {"proof": "x"},
    ],
    ids=lambda bent: "-".join(f"{name}={value}" for name, value in bent.items()),
)
async def test_a_proof_that_does_not_cover_the_request(
    services: Services, sidecar: Sidecar, bent: dict[str, Any]
) -> None:
    """Body, session and time: refused, whatever the evidence."""
    await sidecar.join(await join_token(services))
    status, answer = await sidecar.post("/v1/attest/workload", {"workloads": [{"evidence": EVIDENCE}]}, **bent)
    assert (status, answer["code"]) == (401, "proof_invalid")


async def test_a_proof_is_good_once(services: Services, sidecar: Sidecar) -> None:
    """A recorded request that is sent again is refused."""
    await sidecar.join(await join_token(services))
    body = json.dumps({"workloads": [{"evidence": EVIDENCE}]}).encode()
    proof = sidecar.proof("/v1/attest/workload", body)
    assert (await sidecar.post("/v1/attest/workload", body, proof=proof))[0] == 200
    assert (await sidecar.post("/v1/attest/workload", body, proof=proof))[1]["code"] == "proof_invalid"


async def test_a_stolen_session_is_worth_nothing(services: Services, sidecar: Sidecar, url: str) -> None:
    """Another key with a good proof over somebody's session, or with none."""
    await sidecar.join(await join_token(services))
    async with aiohttp.ClientSession() as http:
        thief = Sidecar(url, http)
        thief.nonce = sidecar.nonce
        for session in (sidecar.session, "remit_sc_made-up", None):
            status, answer = await thief.post(
                "/v1/attest/workload", {"workloads": [{"evidence": EVIDENCE}]}, session=session
            )
            assert (status, answer["code"]) == (401, "session_invalid")
        assert (await thief.post("/v1/attest/session", {}))[1]["code"] == "session_invalid"


@pytest.mark.parametrize(
    ("body", "bent", "status", "code"),
    [
        ({"workloads": []}, {}, 400, "malformed_request"),
        ({"workloads": [{"evidence": EVIDENCE}] * 257}, {}, 400, "malformed_request"),
        ({"workloads": [{"evidence": EVIDENCE, "x": 1}]}, {}, 400, "malformed_request"),
        ({"x": 1}, {}, 400, "malformed_request"),
        (b'{"workloads":[],"workloads":[{"evidence":{}}]}', {}, 400, "duplicate"),
        (b'{"workloads":' + b"[" * 60 + b"]" * 60 + b"}", {}, 400, "deep"),
        (b"\xff", {}, 400, "malformed_request"),
        (b"", {}, 400, "malformed_request"),
        (b"x" * (MAX_BODY_BYTES + 1), {}, 413, "body_too_large"),
        ({"workloads": [{"evidence": EVIDENCE}]}, {"media_type": "text/plain"}, 415, "unsupported_media_type"),
    ],
    ids=["empty", "many", "unknown-field", "other", "duplicate", "deep", "not-text", "nothing", "large", "media-type"],
)
async def test_bad_bodies(
    services: Services, sidecar: Sidecar, body: object, bent: dict[str, Any], status: int, code: str
) -> None:
    """A problem document with a stable code; the server stays up."""
    await sidecar.join(await join_token(services))
    got, answer = await sidecar.post("/v1/attest/workload", body, **bent)
    assert got == status
    assert answer["code"] == (code if code.count("_") else "malformed_request")
    assert (await sidecar.post("/v1/attest/workload", {"workloads": [{"evidence": EVIDENCE}]}))[0] == 200


@pytest.mark.parametrize(
    ("evidence", "code"),
    [
        ({}, "evidence_refused"),
        ([], "evidence_refused"),
        ({"attestor": "oidc", "token": "a.b.c"}, "evidence_refused"),
        ({"attestor": "join_token", "token": "x"}, "evidence_refused"),
        ({**EVIDENCE, "uid": 65534}, "evidence_refused"),
        ({**EVIDENCE, "surprise": 1}, "evidence_refused"),
    ],
)
async def test_bad_evidence_spoils_nothing_else(
    services: Services, sidecar: Sidecar, evidence: object, code: str
) -> None:
    """Each workload has its own result, and its own record by the sidecar's name."""
    await sidecar.join(await join_token(services))
    await services.registry.create_account(CHANGE, NewAccount(name="acme", owner="ana@example.org"))
    await register(services, "acme/planner", "unix:uid:1000")
    status, answer = await sidecar.post(
        "/v1/attest/workload", {"workloads": [{"evidence": evidence}, {"evidence": EVIDENCE}]}
    )
    assert status == 200
    assert answer["results"][0]["problem"]["code"] == code
    assert answer["results"][1]["agents"][0]["agent"] == "acme/planner"
    assert ("sidecar:edge-1", code) in await refusals(services)


@pytest.mark.parametrize(
    ("attestor", "evidence"),
    [
        ("join_token", {"token": "x"}),
        ("join_token", {}),
        ("join_token", {"token": "remit_join_" + "a" * 43}),
        ("process", EVIDENCE),
        ("?", {}),
    ],
)
async def test_a_join_with_bad_evidence(services: Services, sidecar: Sidecar, attestor: str, evidence: object) -> None:
    """Refused with a hint, recorded, and nobody has joined."""
    status, answer = await sidecar.post("/v1/attest/join", {"attestor": attestor, "evidence": evidence})
    assert (status, answer["code"]) == (403, "evidence_refused")
    assert ("anonymous", "evidence_refused") in await refusals(services)
    assert (await sidecar.post("/v1/attest/session", {}))[1]["code"] == "session_invalid"


async def test_a_suspended_agent_is_not_listed(services: Services, sidecar: Sidecar) -> None:
    """An entry that matches is not enough: account and agent have to be active."""
    await sidecar.join(await join_token(services))
    await services.registry.create_account(CHANGE, NewAccount(name="acme", owner="ana@example.org"))
    await register(services, "acme/planner", "unix:uid:1000")
    await services.database.transaction(lambda tx: tx.execute("UPDATE accounts SET state = 'suspended'"))
    _, answer = await sidecar.post("/v1/attest/workload", {"workloads": [{"evidence": EVIDENCE}]})
    assert answer["results"][0]["problem"]["code"] == "agent_not_active"


async def test_a_flood_of_strangers_does_not_fill_the_log(services: Services, sidecar: Sidecar) -> None:
    """Anonymous refusals are recorded at a bounded rate only."""
    for _ in range(150):
        await sidecar.post("/v1/attest/session", {}, proof="x")
    assert len(await refusals(services)) == 100
