"""Issuing: a batch for one sidecar, one at a time over HTTP, and token exchange; always signed, recorded and durable.

The issuer is the real one on a SQLite file in the temporary folder, over HTTP as a process of its own. Load comes from prepared
requests with proofs that were made before the clock runs. Every agent has a spend scope with two limits.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from benchmarks.harness.echo import echo_server
from benchmarks.harness.figures import Figure, Settings
from benchmarks.harness.http_load import Load, post
from benchmarks.harness.pairs import Round, compare
from issuer.http.exchange import GRANT_TYPE, JWT
from issuer.issuance import Caller, IssuanceRequest
from remit.dpop import create_proof
from remit.errors import RemitError
from tests.fakes.issuer_process import AUDIENCE, IssuerProcess, SidecarClient, initialize, running
from tests.fakes.issuing import IssuerCore, open_core, request
from tests.fakes.oidc_provider import OIDCProvider, SigningKey
from tests.fakes.serving import served

_AGENTS = 100
_CONNECTIONS = 64
_IN_A_ROUND = 512
_ROUNDS = 21
_SCOPE = {
    "type": "agent_spend",
    "version": 1,
    "locations": ["https://api.example.com/v1/messages"],
    "actions": ["invoke"],
    "models": ["model-a"],
    "spend_limits": [
        {"amount": 50_000, "unit": "USD", "decimals": 6, "interval": "per_authorization"},
        {"amount": 20_000_000, "unit": "USD", "decimals": 6, "interval": "daily"},
    ],
}
_ES256 = ec.ECDSA(hashes.SHA256())


def run(settings: Settings) -> Iterator[Figure]:
    """The issue and token-exchange rows."""
    rounds = min(settings.rounds, 7 if settings.quick else _ROUNDS)  # proofs and evidence are good for a minute
    with tempfile.TemporaryDirectory() as folder:
        yield from _in_process(Path(folder) / "core", rounds)
        providers = {"ES256": OIDCProvider(), "RS256": OIDCProvider(_rsa_key())}
        with served(providers["ES256"]), served(providers["RS256"]):
            config = initialize(Path(folder) / "data", extra=_oidc_tables(providers))
            with running(config) as issuer, echo_server() as echo:
                sidecar = _registered(issuer)
                yield from _batches_over_http(sidecar, rounds)
                yield from _one_at_a_time(sidecar, echo, rounds)
                for name, target in (("ES256", 0.75), ("RS256", 0.9)):
                    yield from _exchange(sidecar, providers[name], name, target, rounds)


def _in_process(folder: Path, rounds: int) -> Iterator[Figure]:
    folder.mkdir()
    with asyncio.Runner() as runner:
        core = runner.run(_core(folder))
        requests = [_request(number) for number in range(_AGENTS)]

        def issue(_: int) -> int:
            outcomes = runner.run(core.issuance.issue(requests))
            assert not any(isinstance(outcome, RemitError) for outcome in outcomes)
            return _AGENTS

        name = "issue, batch of 100 for one sidecar, durable, in process"
        yield compare(name, issue, "raw ES256 sign", _raw_sign(), target=0.5, rounds=rounds * 2)
        runner.run(core.database.close())


async def _core(folder: Path) -> IssuerCore:
    core = await open_core(folder)
    scope = json.dumps(_SCOPE).encode()
    for number in range(_AGENTS):
        await core.register(f"acme/agent-{number}", *_selectors(number), scope=scope)
    for sql in (
        "INSERT INTO sidecars (id, name, created_at) VALUES (1, 'edge-1', 0)",
        "UPDATE entries SET sidecar_id = 1",
    ):
        await core.database.transaction(lambda tx, sql=sql: tx.execute(sql))
    return core


def _request(number: int) -> IssuanceRequest:
    shown = (*_selectors(number), "unix:path:/usr/bin/python3.11", f"unix:sha256:{'a' * 64}", "cgroup:path:/user.slice")
    return request(*shown, agent=f"acme/agent-{number}", caller=Caller("sidecar:edge-1", 1))


def _selectors(number: int) -> tuple[str, str]:
    return f"unix:uid:{1000 + number}", f"unix:gid:{1000 + number}"


def _raw_sign() -> Round:
    key, message = ec.generate_private_key(ec.SECP256R1()), b"x" * 900

    def sign(_: int) -> int:
        for _ in range(_AGENTS):
            key.sign(message, _ES256)
        return _AGENTS

    return sign


def _registered(issuer: IssuerProcess) -> SidecarClient:
    sidecar = issuer.joined()
    account = {"kind": "account", "name": "acme", "owner": "ana@example.org"}
    records = [account]
    for number in range(_AGENTS):
        agent = f"acme/agent-{number}"
        records += [
            {"kind": "agent", "agent": agent},
            {"kind": "entry", "agent": agent, "selectors": list(_selectors(number)), "sidecar": "edge-1"},
            {"kind": "grant", "agent": agent, "scope": _SCOPE},
        ]
    issuer.post("/import", records=records)
    for name in ("ES256", "RS256"):
        issuer.post("/entries", agent="acme/agent-0", selectors=[f"oidc:{name.lower()}:sub:repo-1"])
    return sidecar


def _wanted(number: int) -> dict[str, object]:
    uid = 1000 + number % _AGENTS
    evidence = {"attestor": "process", "uid": uid, "gid": uid, "executable": "/usr/bin/python3.11"}
    evidence |= {"executable_sha256": "a" * 64, "cgroup": "/user.slice"}
    return {"evidence": evidence, "audience": AUDIENCE, "agent": f"acme/agent-{number % _AGENTS}"}


def _batches_over_http(sidecar: SidecarClient, rounds: int) -> Iterator[Figure]:
    load = Load(_port(sidecar), 1)
    body = json.dumps({"requests": [_wanted(number) for number in range(_AGENTS)]}).encode()
    prepared = [_proved(sidecar, body) for _ in range(rounds * 2 + 1)]

    def issue(number: int) -> int:
        return load.send([prepared[number]]) * _AGENTS

    name = "issue, batch of 100 for one sidecar, durable, over HTTP"
    yield compare(name, issue, "raw ES256 sign", _raw_sign(), target=0.4, rounds=rounds * 2)
    load.close()


def _one_at_a_time(sidecar: SidecarClient, echo: int, rounds: int) -> Iterator[Figure]:
    ours, theirs = Load(_port(sidecar), _CONNECTIONS), Load(echo, _CONNECTIONS)
    prepared = _single_requests(sidecar, rounds)
    name = "issue, one at a time over HTTP from 64 connections"
    yield compare(
        name,
        lambda number: ours.send(prepared[number]),
        "aiohttp echo of the same body",
        lambda number: theirs.send(prepared[number]),
        target=0.25,
        rounds=rounds,
    )
    ours.close()
    theirs.close()


def _exchange(sidecar: SidecarClient, provider: OIDCProvider, alg: str, target: float, rounds: int) -> Iterator[Figure]:
    exchanging, issuing = Load(_port(sidecar), _CONNECTIONS), Load(_port(sidecar), _CONNECTIONS)
    singles = _single_requests(sidecar, rounds)
    exchanges = [[_token_request(provider) for _ in range(_IN_A_ROUND)] for _ in range(rounds + 1)]
    yield compare(
        f"token exchange with fresh OIDC evidence ({alg})",
        lambda number: exchanging.send(exchanges[number]),
        "issue, one at a time over HTTP",
        lambda number: issuing.send(singles[number]),
        target=target,
        rounds=rounds,
    )
    exchanging.close()
    issuing.close()


def _single_requests(sidecar: SidecarClient, rounds: int) -> list[list[bytes]]:
    bodies = [json.dumps({"requests": [_wanted(number)]}).encode() for number in range(_AGENTS)]
    return [[_proved(sidecar, bodies[number % _AGENTS]) for number in range(_IN_A_ROUND)] for _ in range(rounds + 1)]


def _proved(sidecar: SidecarClient, body: bytes) -> bytes:
    url = f"{sidecar.url}/v1/issue"
    now = int(time.time())
    proof = create_proof(
        sidecar.key, "POST", url, now=now, nonce=sidecar.nonce, body=body, access_token=sidecar.session
    )
    return post("/v1/issue", body, Authorization=f"DPoP {sidecar.session}", DPoP=proof)


def _token_request(provider: OIDCProvider) -> bytes:
    now = int(time.time())
    claims = {"iss": provider.url, "aud": "remit", "sub": "repo-1", "iat": now, "exp": now + 300, "jti": str(now)}
    form = {
        "grant_type": GRANT_TYPE,
        "subject_token": provider.sign(claims),
        "subject_token_type": JWT,
        "audience": AUDIENCE,
        "agent": "acme/agent-0",
    }
    return post("/token", urlencode(form).encode(), "application/x-www-form-urlencoded")


def _oidc_tables(providers: dict[str, OIDCProvider]) -> str:
    return "".join(
        f'\n[[oidc]]\nname = "{name.lower()}"\nissuer = "{provider.url}"\nclaims = ["sub"]\naudiences = ["remit"]\n'
        f'insecure_loopback_http = true\nalgorithms = ["{name}"]\n'
        for name, provider in providers.items()
    )


def _rsa_key() -> SigningKey:
    return SigningKey("rsa", rsa.generate_private_key(public_exponent=65537, key_size=2048))


def _port(sidecar: SidecarClient) -> int:
    port = urlsplit(sidecar.url).port
    assert port is not None
    return port
