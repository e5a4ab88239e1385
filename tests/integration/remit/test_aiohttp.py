"""The aiohttp middleware: a real server, a real client, a real verifier."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives.asymmetric import ec

import remit
from remit.dpop import create_proof
from remit.integrations.aiohttp import CREDENTIAL, middleware
from remit.jose import public_jwk, thumbprint
from tests.fakes.public_issuer import PublicIssuer

PUBLIC_URL = "https://api.example.com"
Agent = TestClient[web.Request, web.Application]


async def _who(request: web.Request) -> web.Response:
    return web.Response(text=str(request[CREDENTIAL].agent))


async def _spend(request: web.Request) -> web.Response:
    request[CREDENTIAL].authorize(location=f"{PUBLIC_URL}/elsewhere", action="invoke", model="model-a")
    return web.Response()


async def _healthy(request: web.Request) -> web.Response:
    return web.Response(text=str(CREDENTIAL in request))


@pytest.fixture
async def api(verifier: remit.Verifier) -> AsyncIterator[Agent]:
    app = web.Application(middlewares=[middleware(verifier, public_url=PUBLIC_URL, exempt=("/healthz",))])
    app.add_routes(
        [web.get("/who", _who), web.get("/a%2Fb", _who), web.get("/spend", _spend), web.get("/healthz", _healthy)]
    )
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_accepts(api: Agent, issuer: PublicIssuer) -> None:
    """A good token reaches the handler as a credential."""
    answer = await api.get("/who", headers={"Authorization": f"Bearer {issuer.token()}"})
    assert (answer.status, await answer.text()) == (200, "acme/planner")


async def test_refuses_without_a_credential(api: Agent) -> None:
    """A request without a token gets a challenge and a problem document; so does an unknown path."""
    for path in ("/who", "/unknown", "/healthz/"):
        answer = await api.get(path)
        assert answer.status == 401
        assert answer.content_type == "application/problem+json"
        assert (await answer.json())["code"] == "unauthenticated"
        assert answer.headers.getall("WWW-Authenticate")[0] == "Bearer"
        assert len(answer.headers.getall("Content-Type")) == 1


async def test_refuses_a_revoked_token(api: Agent, issuer: PublicIssuer, verifier: remit.Verifier) -> None:
    """A token that was accepted is refused once the verifier has learnt of its revocation."""
    headers = {"Authorization": f"Bearer {issuer.token(index=77)}"}
    assert (await api.get("/who", headers=headers)).status == 200
    issuer.set_status(77, 1)
    ends = time.monotonic() + 10
    while (answer := await api.get("/who", headers=headers)).status == 200 and time.monotonic() < ends:
        await asyncio.sleep(0.05)
    assert answer.status == 401
    assert (await answer.json())["code"] == "credential_revoked"


async def test_out_of_scope_is_forbidden(api: Agent, issuer: PublicIssuer) -> None:
    """A `ScopeRefusedError` that a handler lets out is a 403 with the reason."""
    answer = await api.get("/spend", headers={"Authorization": f"Bearer {issuer.token()}"})
    assert answer.status == 403
    assert "location" in json.loads(await answer.read())["detail"]
    assert "insufficient_scope" in answer.headers["WWW-Authenticate"]


async def test_exempt(api: Agent) -> None:
    """An exempt path needs no credential and gets none."""
    answer = await api.get("/healthz", headers={"Authorization": "nonsense"})
    assert (answer.status, await answer.text()) == (200, "False")


async def test_bound_token(api: Agent, issuer: PublicIssuer) -> None:
    """A token bound to a key needs a proof for the public URL, used once, whatever `Host` says."""
    key = ec.generate_private_key(ec.SECP256R1())
    token = issuer.token(cnf={"jkt": thumbprint(public_jwk(key))})

    def headers(url: str) -> dict[str, str]:
        proof = create_proof(key, "GET", url, now=int(time.time()), access_token=token)
        return {"Authorization": f"DPoP {token}", "DPoP": proof, "Host": "evil.example"}

    good = headers(f"{PUBLIC_URL}/a%2Fb")
    assert (await api.get("/a%2Fb", headers=good)).status == 200
    for refused in (good, headers("http://evil.example/a%2Fb"), {"Authorization": f"Bearer {token}"}):
        answer = await api.get("/a%2Fb", headers=refused)
        assert answer.status == 401
        assert "invalid_dpop_proof" in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "lines",
    [
        b"Authorization: Bearer a\r\nAuthorization: Bearer a\r\n",
        b"Authorization: Bearer \xff\xfe\r\n",
        b"Authorization: Bearer\r\n",
        b"Authorization: Bearer " + b"a" * 7000 + b"\r\n",
        b"Authorization: DPoP a\r\nDPoP: a\r\nDPoP: b\r\n",
        b"Authorization: DPoP a\r\nDPoP: \xff\r\n",
    ],
)
async def test_bad_headers(api: Agent, lines: bytes) -> None:
    """Doubled, odd and huge headers are refused, and the server stays up."""
    for _ in range(2):
        reader, writer = await asyncio.open_connection(api.host, api.port)
        writer.write(b"GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + lines + b"\r\n")
        status_line = await reader.readline()
        assert status_line.split()[1] in (b"400", b"401")
        writer.close()
        await writer.wait_closed()
