"""An issuer in memory over real HTTP: the sidecar's half of its surface, and what a verifier reads.

Its entries match process evidence with the real `selectors_of`; it can be stopped, started again and told to misbehave.
"""

import asyncio
import contextlib
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from attestors.process import ProcessEvidence, selectors_of
from remit.dpop import verify_proof
from remit.errors import ProofRefusedError
from remit.ids import AgentName, TrustDomain
from remit.jose import parse_unverified, public_jwk, sign_compact
from remit.statuslist import StatusList, StatusListToken
from tests.fakes.ports import free_port

TRUST_DOMAIN = "example.org"
_SIZE = 1024


@dataclass
class Entry:
    """Selectors, all of which a workload must have, and the agent that it may be then."""

    agent: str
    selectors: frozenset[str]
    index: int = field(default_factory=lambda: secrets.randbelow(_SIZE))


class FakeIssuer:
    """One issuer.

    Attributes:
        entries: what is registered.
        ttl_seconds: the life of its tokens.
        statuses: status values by index.
        batches: the number of requests of each call to /v1/issue.
        requests: every element of those.
        delay_seconds: waited before each answer to /v1/issue.
        join_tokens: those that are unused.
        proved: the path of every request with a good proof.
        refuse_batch_with: an audience that makes it refuse a whole batch as malformed.
        expelled: refuse every session.
        exchanges: every form of /token.
        sub_agents: those that a token was exchanged for, by name.
        completed: the agent and the task of every call to /v1/tasks/complete.
        answer_completions: what to do instead of completing a task.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.entries: list[Entry] = []
        self.ttl_seconds = 300
        self.statuses: dict[int, int] = {}
        self.batches: list[int] = []
        self.requests: list[dict[str, Any]] = []
        self.delay_seconds = 0.0
        self.join_tokens = {"remit_join_test"}
        self.proved: list[str] = []
        self.refuse_batch_with: str | None = None
        self.expelled = False
        self.exchanges: list[dict[str, str]] = []
        self.sub_agents: dict[str, Entry] = {}
        self.completed: list[tuple[str, str]] = []
        self.answer_completions: Callable[[], web.Response] | None = None
        self.sessions: set[str] = set()
        self.registered: set[str] = set()
        self.nonce = secrets.token_urlsafe(8)
        self.seq = 1
        self.tainted = 0
        self.keys = {"key-1": ec.generate_private_key(ec.SECP256R1())}
        self._status_key = ec.generate_private_key(ec.SECP256R1())
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def start(self) -> None:
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        assert started.wait(10)

    def stop(self) -> None:
        if self._thread is not None and self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)
            self._thread = None

    @contextlib.contextmanager
    def running(self) -> Iterator["FakeIssuer"]:
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def register(self, agent: str, *selectors: str) -> Entry:
        entry = Entry(agent, frozenset(selectors))
        self.entries.append(entry)
        return entry

    def set_status(self, entry: Entry, value: int) -> None:
        self.statuses[entry.index] = value
        self.seq += 1

    def taint(self, kid: str) -> None:
        """Publish a key no more; another one signs from now on."""
        self.keys["key-next"] = ec.generate_private_key(ec.SECP256R1())
        del self.keys[kid]
        self.tainted += 1

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=1 << 20)
        app.router.add_get("/.well-known/oauth-authorization-server", self._metadata)
        app.router.add_get("/bundle", self._bundle)
        app.router.add_get("/status/keys", self._status_keys)
        app.router.add_get("/statuslists", self._lists)
        app.router.add_get("/statuslists/1", self._list)
        app.router.add_post("/v1/attest/join", self._proved(self._join))
        app.router.add_post("/v1/attest/session", self._proved(self._session))
        app.router.add_post("/v1/attest/workload", self._proved(self._in_session(self._workload)))
        app.router.add_post("/v1/issue", self._proved(self._in_session(self._issue)))
        app.router.add_post("/v1/tasks/complete", self._proved(self._in_session(self._complete)))
        app.router.add_post("/token", self._proved(self._exchange))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True).start()
        started.set()
        await self._stop.wait()
        await runner.cleanup()
        await asyncio.sleep(0.01)  # for the connections to close, which they do in a later turn of the loop

    async def _metadata(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.url,
                "spiffe_trust_domain": TRUST_DOMAIN,
                "spiffe_bundle_endpoint": f"{self.url}/bundle",
                "status_jwks_uri": f"{self.url}/status/keys",
                "status_list_aggregation_endpoint": f"{self.url}/statuslists",
            }
        )

    async def _bundle(self, _: web.Request) -> web.Response:
        keys = [{"kid": kid, "use": "jwt-svid", **public_jwk(key)} for kid, key in self.keys.items()]
        return web.json_response({"keys": keys, "spiffe_sequence": len(keys) + self.tainted, "spiffe_refresh_hint": 1})

    async def _status_keys(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": [{"kid": "status-1", "use": "sig", **public_jwk(self._status_key)}]})

    async def _lists(self, _: web.Request) -> web.Response:
        return web.json_response({"status_lists": [f"{self.url}/statuslists/1"]})

    async def _list(self, _: web.Request) -> web.Response:
        now = int(time.time())
        statuses = StatusList.pack(self.statuses, size=_SIZE)
        token = StatusListToken(f"{self.url}/statuslists/1", now, now + 60, 1, self.seq, statuses)
        return web.Response(text=token.sign(self._status_key, "status-1"), content_type="application/statuslist+jwt")

    def _proved(self, handler: Callable[[web.Request, bytes, str], Awaitable[web.Response]]) -> Any:
        async def proved(request: web.Request) -> web.Response:
            body = await request.read()
            session = request.headers.get("Authorization", "").removeprefix("DPoP ") or None
            try:
                proof = verify_proof(
                    request.headers["DPoP"],
                    method="POST",
                    url=self.url + request.path,
                    now=int(time.time()),
                    access_token=session,
                    nonce_check=lambda nonce: nonce == self.nonce,
                    body=body,
                )
            except ProofRefusedError as error:
                return _problem(401, error.code, error.detail, {"DPoP-Nonce": self.nonce})
            self.proved.append(request.path)
            return await handler(request, body, proof.jkt)

        return proved

    def _in_session(self, handler: Callable[[bytes], Awaitable[web.Response]]) -> Any:
        async def in_session(request: web.Request, body: bytes, _jkt: str) -> web.Response:
            if request.headers.get("Authorization", "").removeprefix("DPoP ") not in self.sessions:
                return _problem(401, "session_invalid", "the session is not known")
            return await handler(body)

        return in_session

    async def _join(self, _request: web.Request, body: bytes, jkt: str) -> web.Response:
        token = msgspec.json.decode(body)["evidence"]["token"]
        if token not in self.join_tokens:
            return _problem(403, "evidence_replayed", "the join token was used before")
        self.join_tokens.remove(token)
        self.registered.add(jkt)
        return self._open_session()

    async def _session(self, _request: web.Request, _body: bytes, jkt: str) -> web.Response:
        if jkt not in self.registered or self.expelled:
            return _problem(401, "unauthenticated", "the key is not that of a sidecar")
        return self._open_session()

    def _open_session(self) -> web.Response:
        session = "remit_sc_" + secrets.token_urlsafe(8)
        self.sessions.add(session)
        return web.json_response(
            {
                "sidecar": "edge-1",
                "spiffe_id": f"spiffe://{TRUST_DOMAIN}/sidecar/edge-1",
                "trust_domain": TRUST_DOMAIN,
                "session": session,
                "expires_at": int(time.time()) + 3600,
            }
        )

    async def _workload(self, body: bytes) -> web.Response:
        results = []
        for workload in msgspec.json.decode(body)["workloads"]:
            agents = [
                {"agent": entry.agent, "spiffe_id": _spiffe_id(entry.agent), "entry": "e-1"}
                for entry in self._matching(workload)
            ]
            results.append({"agents": agents} if agents else {"problem": _no_entry()})
        return web.json_response({"results": results})

    async def _issue(self, body: bytes) -> web.Response:
        requests = msgspec.json.decode(body)["requests"]
        if any(request["audience"] == self.refuse_batch_with for request in requests):
            return _problem(400, "malformed_request", "the body does not parse")
        self.batches.append(len(requests))
        self.requests += requests
        await asyncio.sleep(self.delay_seconds)
        results = []
        for request in requests:
            credentials = [self._credential(request, entry) for entry in self._matching(request)]
            results.append({"credentials": credentials} if credentials else {"problem": _no_entry()})
        return web.json_response({"results": results})

    async def _complete(self, body: bytes) -> web.Response:
        wanted = msgspec.json.decode(body)
        self.completed.append((wanted["agent"], wanted["task"]))
        return self.answer_completions() if self.answer_completions else web.json_response({"grants": 1})

    async def _exchange(self, _request: web.Request, body: bytes, _jkt: str) -> web.Response:
        """RFC 8693 as far as a sidecar sees it; an audience of `refuse` is refused in OAuth's shape."""
        form = dict(parse_qsl(body.decode()))
        self.exchanges.append(form)
        if form["audience"] == "refuse":
            told = {
                "error": "invalid_authorization_details",
                "error_description": "it is wider",
                "code": "scope_too_wide",
            }
            return web.json_response({**told, "hint": "ask for less"}, status=400)
        subject = parse_unverified(form["subject_token"]).unverified_payload()
        assert subject["aud"] == f"{self.url}/token"
        details = form.get("authorization_details")
        request = {"audience": form["audience"], **({"task": form["task"]} if "task" in form else {})}
        request |= {"authorization_details": msgspec.json.decode(details)} if details else {}
        credential = self._credential(
            request, self.sub_agents.setdefault(form["agent"], Entry(form["agent"], frozenset()))
        )
        return web.json_response({"access_token": credential["token"], "token_type": "Bearer", "expires_in": 300})

    def _matching(self, request: dict[str, Any]) -> list[Entry]:
        selectors = selectors_of(msgspec.convert(request["evidence"], ProcessEvidence))
        found = [
            entry
            for entry in self.entries
            if entry.selectors <= selectors
            and request.get("agent") in (None, entry.agent)
            and self.statuses.get(entry.index, 0) == 0
        ]
        return sorted(found, key=lambda entry: -len(entry.selectors))

    def _credential(self, request: dict[str, Any], entry: Entry) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": _spiffe_id(entry.agent),
            "aud": request["audience"],
            "iat": now,
            "nbf": now,
            "exp": now + self.ttl_seconds,
            "jti": secrets.token_hex(16),
            "tenant": entry.agent.partition("/")[0],
            "sub_profile": "ai_agent",
            **({"txn": request["task"]} if "task" in request else {}),
            "authorization_details": request.get("authorization_details", [{"type": "agent_spend", "version": 1}]),
            "status": {"status_list": {"idx": entry.index, "uri": f"{self.url}/statuslists/1"}},
        }
        kid, key = list(self.keys.items())[-1]
        token = sign_compact({"alg": "ES256", "kid": kid, "typ": "JWT"}, msgspec.json.encode(claims), key)
        return {
            "agent": entry.agent,
            "spiffe_id": claims["sub"],
            "token": token,
            "issued_at": now,
            "expires_at": claims["exp"],
            "task": request.get("task"),
            "grant": "g-1",
        }


def _spiffe_id(agent: str) -> str:
    return str(AgentName.parse(agent).spiffe_id(TrustDomain.parse(TRUST_DOMAIN)))


def _no_entry() -> dict[str, object]:
    return {"type": "urn:remit:problem:no_entry", "status": 403, "code": "no_entry", "detail": "no entry matches"}


def _problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> web.Response:
    body = msgspec.json.encode({"type": f"urn:remit:problem:{code}", "status": status, "code": code, "detail": detail})
    return web.Response(status=status, body=body, content_type="application/problem+json", headers=headers)
