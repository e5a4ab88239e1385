"""Keys that a real sidecar holds for agents, at a real issuer: made on need, kept, rotated; proofs for nobody else's tokens."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from spiffe import WorkloadApiClient
from spiffe.workloadapi.errors import WorkloadApiError

import remit
from remit.dpop import verify_proof
from remit.jose import parse_unverified
from tests.fakes.guarded_api import KINDS, guarded_api
from tests.fakes.issuer_process import AUDIENCE, IssuerProcess, initialize, running
from tests.fakes.sidecar_process import SidecarProcess

UID = os.getuid()
AGENT = """
import sys

import httpx
import remit.integrations.httpx

with httpx.Client(auth=remit.integrations.httpx.Auth("https://api.example.com")) as http:
    for _ in range(3):
        answer = http.get(sys.argv[1])
        print(answer.status_code, answer.text)
"""


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IssuerProcess]:
    with running(initialize(tmp_path_factory.mktemp("issuer") / "data")) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def verifier(issuer: IssuerProcess) -> Iterator[remit.Verifier]:
    with remit.Verifier(issuer=issuer.url, audience=AUDIENCE) as verifier:
        yield verifier


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A sidecar and an account for each test."""
    return "t" + "".join(each for each in request.node.name if each.isalnum())[:48]


@pytest.fixture
def sidecar(issuer: IssuerProcess, name: str) -> Iterator[SidecarProcess]:
    """A sidecar under which this process is an agent whose tokens are bound."""
    sidecar = SidecarProcess(issuer.url)
    sidecar.start(issuer.post("/join-tokens", sidecar=name)["token"])
    issuer.register(f"{name}/planner", f"unix:uid:{UID}", sidecar=name, bound=True)
    yield sidecar
    sidecar.stop()
    shutil.rmtree(sidecar.folder)


def ask(sidecar: SidecarProcess, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    with sidecar.http() as http:
        answer = http.request(method, path, **({} if body is None else {"json": body}))
    return answer.status_code, answer.json()


def good(sidecar: SidecarProcess, method: str, path: str, body: Any = None) -> Any:
    status, said = ask(sidecar, method, path, body)
    assert status == 200, said
    return said


def refusal(sidecar: SidecarProcess, method: str, path: str, body: Any = None) -> str:
    status, said = ask(sidecar, method, path, body)
    assert status >= 400, said
    return str(said["code"])


def token_of(sidecar: SidecarProcess, audience: str = AUDIENCE) -> str:
    said = good(sidecar, "POST", "/v1/token", {"audience": audience})
    assert said["token_type"] == "DPoP"
    return str(said["token"])


def jkt_of(token: str) -> str:
    claims: Any = parse_unverified(token).unverified_payload()
    return str(claims["cnf"]["jkt"])


def accepted(verifier: remit.Verifier, sidecar: SidecarProcess, token: str, url: str = f"{AUDIENCE}/x") -> str:
    """The agent that a verifier finds in the token, with a proof that the sidecar made."""
    proof = good(sidecar, "POST", "/v1/proof", {"method": "GET", "url": url, "token": token})["proof"]
    return str(verifier.verify(token, proof=proof, method="GET", url=url).agent)


def states(issuer: IssuerProcess, agent: str) -> list[str]:
    items = issuer.operator.get("/agent-keys", params={"agent": agent}).json()["items"]
    return [item["state"] for item in items]


@pytest.mark.parametrize("kind", KINDS)
def test_an_agent_needs_no_code_for_it(
    issuer: IssuerProcess, verifier: remit.Verifier, sidecar: SidecarProcess, name: str, kind: str, tmp_path: Path
) -> None:
    """A program that names its audience and nothing else: key, registration, proofs and nonces are taken care of."""
    script = tmp_path / "agent.py"
    script.write_text(AGENT)
    environment = {**os.environ, "REMIT_SIDECAR_SOCKET": str(sidecar.sockets / "remit.sock")}
    with guarded_api(kind, verifier, nonces=remit.ProofNonces()) as url:
        ran = subprocess.run(
            [sys.executable, str(script), f"{url}/v1/messages"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.stdout.splitlines() == [f"200 {name}/planner"] * 3, ran.stderr
    assert states(issuer, f"{name}/planner") == ["active"]


def test_one_key_for_all_who_ask_at_once(issuer: IssuerProcess, sidecar: SidecarProcess, name: str) -> None:
    """Many first requests make one key."""
    client = remit.Client(sidecar.sockets / "remit.sock")
    with ThreadPoolExecutor(12) as pool:
        tokens = list(pool.map(lambda n: client.token(AUDIENCE, task=f"task-{n}").token, range(24)))
    assert len({jkt_of(token) for token in tokens}) == 1
    assert states(issuer, f"{name}/planner") == ["active"]


def test_the_key_survives_a_restart(
    issuer: IssuerProcess, verifier: remit.Verifier, sidecar: SidecarProcess, name: str
) -> None:
    """It is in the state folder, for the sidecar alone; a token of before is not signed for until it is given anew."""
    before = token_of(sidecar)
    (path,) = (sidecar.folder / "state").glob("agent-*.json")
    assert path.stat().st_mode & 0o777 == 0o600
    sidecar.stop()
    sidecar.start(None)
    assert (
        refusal(sidecar, "POST", "/v1/proof", {"method": "GET", "url": AUDIENCE, "token": before}) == "token_not_given"
    )
    after = token_of(sidecar)
    assert jkt_of(after) == jkt_of(before)
    assert accepted(verifier, sidecar, after) == f"{name}/planner"
    assert states(issuer, f"{name}/planner") == ["active"]


def test_a_lost_key_is_replaced(
    issuer: IssuerProcess, verifier: remit.Verifier, sidecar: SidecarProcess, name: str
) -> None:
    """A sidecar whose folder lost the key makes another one, by itself."""
    lost = jkt_of(token_of(sidecar))
    sidecar.stop()
    for path in (sidecar.folder / "state").glob("agent-*.json"):
        path.unlink()
    sidecar.start(None)
    token = token_of(sidecar)
    assert jkt_of(token) != lost
    assert accepted(verifier, sidecar, token) == f"{name}/planner"
    assert states(issuer, f"{name}/planner") == ["retired", "active"]


def test_a_rotation_leaves_no_gap(
    issuer: IssuerProcess, verifier: remit.Verifier, sidecar: SidecarProcess, name: str
) -> None:
    """Tokens of the former key are good until they end, and signed for; new ones are bound to the new key."""
    old = token_of(sidecar)
    held = good(sidecar, "POST", "/v1/key", {})
    new = token_of(sidecar)
    assert (held["agent"], held["jkt"]) == (f"{name}/planner", jkt_of(new))
    assert [accepted(verifier, sidecar, token) for token in (old, new)] == [f"{name}/planner"] * 2
    assert good(sidecar, "GET", "/v1/key")["keys"] == [held]
    assert "PRIVATE" not in str(held)
    assert states(issuer, f"{name}/planner") == ["retired", "active"]


def test_a_key_of_the_agents_own(
    issuer: IssuerProcess, verifier: remit.Verifier, sidecar: SidecarProcess, name: str, tmp_path: Path
) -> None:
    """Registered through the sidecar before the first token; the sidecar cannot sign for it, the agent can."""
    held = token_of(sidecar)
    key = remit.AgentKey.load_or_generate(tmp_path / "agent.pem")
    client = remit.Client(sidecar.sockets / "remit.sock", key=key)
    token = client.token(AUDIENCE)
    assert jkt_of(token.token) == key.thumbprint != jkt_of(held)
    proof = client.proof("GET", AUDIENCE, token)
    assert str(verifier.verify(token.token, proof=proof, method="GET", url=AUDIENCE).agent) == f"{name}/planner"
    body = {"method": "GET", "url": AUDIENCE, "token": token.token}
    assert refusal(sidecar, "POST", "/v1/proof", body) == "key_not_held"
    client.register_key()
    assert states(issuer, f"{name}/planner") == ["retired", "active"]


def test_another_agents_key_or_a_replayed_proof(sidecar: SidecarProcess) -> None:
    """What the issuer refuses is told with its code, and nothing changes here."""
    offered = good(sidecar, "GET", "/v1/key/nonce")
    key, other = remit.AgentKey.generate(), remit.AgentKey.generate()
    now = int(time.time())
    proof = key.proof("POST", offered["url"], now=now, nonce=offered["nonce"])
    assert refusal(sidecar, "POST", "/v1/key", {"jwk": other.jwk, "proof": proof}) == "malformed_request"
    assert refusal(sidecar, "POST", "/v1/key", {"jwk": key.jwk, "proof": proof}) == "key_proof_refused"
    assert refusal(sidecar, "POST", "/v1/key", {"jwk": key.jwk}) == "malformed_request"
    stale = key.proof("POST", offered["url"], now=now, nonce="made-up")
    assert refusal(sidecar, "POST", "/v1/key", {"jwk": key.jwk, "proof": stale}) == "key_nonce_stale"
    fresh = key.proof("POST", offered["url"], now=now, nonce=offered["nonce"])
    another = {"jwk": key.jwk, "proof": fresh, "agent": "acme/another"}
    assert refusal(sidecar, "POST", "/v1/key", another) == "no_entry"
    assert token_of(sidecar)


@pytest.mark.parametrize(
    "bent",
    [
        {"token": "a.b.c"},
        {"token": ""},
        {"token": "x" * 10_000},
        {"method": "GET\r\nX: y"},
        {"method": ""},
        {"url": "file:///etc/passwd"},
        {"url": "https://api.example.com/ x"},
        {"url": "https://" + "a" * 5000},
        {"nonce": "n" * 5000},
        {"nonce": "a b"},
        {"jwk": {}},
        {"token": None},
    ],
)
def test_what_is_not_signed(sidecar: SidecarProcess, bent: dict[str, Any]) -> None:
    """Nothing but a proof for a token that was given, and nothing of any size."""
    body = {"method": "GET", "url": AUDIENCE, "token": token_of(sidecar)} | bent
    assert refusal(sidecar, "POST", "/v1/proof", body) in ("malformed_request", "token_not_given")


def test_a_proof_is_of_what_was_asked(sidecar: SidecarProcess) -> None:
    """Method, url, token and nonce; by the key of the token."""
    token = token_of(sidecar)
    wanted = {"method": "POST", "url": "https://api.example.com/x?q=1", "token": token, "nonce": "nonce-1"}
    proof = good(sidecar, "POST", "/v1/proof", wanted)["proof"]
    verified = verify_proof(
        proof,
        method="POST",
        url="https://api.example.com/x",
        now=int(time.time()),
        access_token=token,
        nonce_check=lambda nonce: nonce == "nonce-1",
    )
    assert verified.jkt == jkt_of(token)


@pytest.mark.skipif(UID != 0, reason="needs another user")
def test_another_user_gets_no_proof(sidecar: SidecarProcess) -> None:
    """Who is not that agent is refused, with the token in hand; so is who is nobody."""
    token = token_of(sidecar)
    socket = sidecar.sockets / "remit.sock"
    script = (
        "import os, sys, remit\n"
        "os.setgid(4242); os.setuid(4242)\n"
        "from remit.sidecar_socket import exchange\n"
        "for path, body in (('/v1/proof', {'method': 'GET', 'url': 'https://api.example.com', 'token': sys.argv[2]}),\n"
        "                   ('/v1/key', {}), ('/v1/key', None), ('/v1/key/nonce', None)):\n"
        "    try:\n"
        "        exchange(sys.argv[1], 'GET' if body is None else 'POST', path, body, timeout_seconds=10)\n"
        "        print('given')\n"
        "    except remit.RemitError as error:\n"
        "        print(error.code)\n"
    )
    command = [sys.executable, "-c", script, str(socket), token]
    sidecar.folder.chmod(0o755)
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout.split() == ["token_not_given", "no_entry", "no_entry", "no_entry"], ran.stderr


def test_the_workload_api_serves_no_bound_token(issuer: IssuerProcess, sidecar: SidecarProcess, name: str) -> None:
    """It has no way to prove possession: PermissionDenied, also when the key is there; other agents' tokens it serves."""
    token_of(sidecar)
    with WorkloadApiClient(sidecar.endpoint) as client, pytest.raises(WorkloadApiError, match="PERMISSION_DENIED"):
        client.fetch_jwt_svid(audience={AUDIENCE})
    issuer.register(f"{name}/unbound", f"unix:uid:{UID}", sidecar=name)
    with WorkloadApiClient(sidecar.endpoint) as client:
        served = client.fetch_jwt_svids(audience={f"{AUDIENCE}/other"})
    assert [str(svid.spiffe_id) for svid in served] == [f"spiffe://example.org/account/{name}/agent/unbound"]


def test_a_damaged_file_stops_the_start(sidecar: SidecarProcess) -> None:
    """It is named, and nothing of it is shown."""
    token_of(sidecar)
    sidecar.stop()
    (path,) = (sidecar.folder / "state").glob("agent-*.json")
    path.chmod(0o644)
    sidecar.start(None, wait=False)
    assert sidecar.process is not None
    assert sidecar.process.wait(15) == 2
    path.chmod(0o600)
    path.write_text('{"agent": "secret words"')
    sidecar.start(None, wait=False)
    assert sidecar.process.wait(15) == 2
    assert "secret words" not in sidecar.output()
    assert "PRIVATE" not in sidecar.output()


def test_no_key_is_told_by_the_metrics_or_the_log(sidecar: SidecarProcess) -> None:
    """Neither a private half nor a whole token."""
    token = token_of(sidecar)
    with sidecar.http() as http:
        shown = http.get("/metrics").text
    assert "PRIVATE" not in shown + sidecar.output()
    assert token not in shown + sidecar.output()
