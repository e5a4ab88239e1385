"""The public half of an issuer: real HTTP on loopback, real signatures, and a switch for each way to misbehave."""

import contextlib
import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives.asymmetric import ec

from remit.jose import public_jwk, sign_compact
from remit.statuslist import StatusList, StatusListToken
from tests.fakes.status_events import EventFeed, Verifiers

TRUST_DOMAIN = "example.org"
AUDIENCE = "https://api.example.com"
LIST_SIZE = 4096


@dataclass
class SigningKey:
    """A key pair with its kid; derived from a number, so that it is the same in every run."""

    kid: str
    number: int
    private: ec.EllipticCurvePrivateKey = field(init=False)

    def __post_init__(self):
        self.private = ec.derive_private_key(self.number, ec.SECP256R1())

    def jwk(self, **members):
        return public_jwk(self.private) | {"kid": self.kid} | members


class PublicIssuer:
    """Serves metadata, bundle, status keys and status lists; a context manager.

    `answers[path]` replaces what is served there: a function from the request's path to `(status, headers, body)`.
    `pause()` makes every answer wait, `drip_seconds` sends one byte at a time. `requests` holds the paths asked for, in order.
    With `events` it has a stream of status events (`feed`), with `registers` verifiers of a provider register (`verifiers`), with
    `certificate`, the paths of a chain and its key, it speaks TLS, as `localhost`.
    """

    def __init__(self, trust_domain=TRUST_DOMAIN, *, url=None, events=False, registers=False, certificate=None):
        self.trust_domain = trust_domain
        self.keys = [SigningKey("key-1", 101)]
        self.status_key = SigningKey("status-1", 202)
        self.sequence = 1
        self.refresh_hint = 300
        self.seq = 1
        self.clock_offset = 0
        self.drip_seconds = 0.0
        self.statuses: dict[int, dict[int, int]] = {1: {}, 2: {}}
        self.answers: dict[str, Callable[[str], tuple[int, dict[str, str], bytes]]] = {}
        self.requests: list[str] = []
        self._resumed = threading.Event()
        self._resumed.set()
        self._server = None
        self._certificate = certificate
        self.url = url
        self.feed = EventFeed(self) if events else None
        self.verifiers = Verifiers(self) if registers else None

    # -- serving

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        if self._certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(*self._certificate)
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self.url = f"https://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._resumed.set()
        if self.feed:
            self.feed.cut()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def pause(self):
        """Let every request wait from now on."""
        self._resumed.clear()

    def resume(self):
        """Answer again."""
        self._resumed.set()

    def wait_while_paused(self):
        """Wait until `resume`."""
        self._resumed.wait(30)

    def answer(self, path):
        """What is served at `path`: `(status, headers, body)`."""
        self.requests.append(path)
        self.wait_while_paused()
        if path in self.answers:
            return self.answers[path](path)
        served = {
            "/.well-known/oauth-authorization-server": self.metadata,
            "/bundle": self.bundle,
            "/status/keys": self.status_keys,
            "/statuslists": self.aggregation,
        }
        if path in served:
            return 200, {"Content-Type": "application/json"}, json.dumps(served[path]()).encode()
        number = path.removeprefix("/statuslists/")
        if number.isdigit() and int(number) in self.statuses:
            return 200, {"Content-Type": "application/statuslist+jwt"}, self.status_list(int(number)).encode()
        return 404, {}, b""

    # -- documents

    def metadata(self):
        more = {"status_events_endpoint": f"{self.url}/status/events"} if self.feed else {}
        if self.verifiers:
            more["status_verifiers_endpoint"] = f"{self.url}/status/verifiers"
        return more | {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "spiffe_trust_domain": self.trust_domain,
            "spiffe_bundle_endpoint": f"{self.url}/bundle",
            "status_jwks_uri": f"{self.url}/status/keys",
            "status_list_aggregation_endpoint": f"{self.url}/statuslists",
        }

    def bundle(self):
        keys = [key.jwk(use="jwt-svid") for key in self.keys]
        return {"keys": keys, "spiffe_sequence": self.sequence, "spiffe_refresh_hint": self.refresh_hint}

    def status_keys(self):
        return {"keys": [self.status_key.jwk(use="sig")]}

    def aggregation(self):
        return {"status_lists": [self.list_uri(number) for number in self.statuses]}

    def list_uri(self, number=1):
        return f"{self.url}/statuslists/{number}"

    def status_list(self, number=1, *, seq=None, issued_at=None):
        """A freshly signed status list token."""
        now = self.now() if issued_at is None else issued_at
        statuses = StatusList.pack(self.statuses[number], size=LIST_SIZE)
        seq = self.seq if seq is None else seq
        token = StatusListToken(self.list_uri(number), now, now + 60, 1, seq, statuses, self.sequence)
        return token.sign(self.status_key.private, self.status_key.kid)

    # -- changes

    def now(self):
        return int(time.time()) + self.clock_offset

    def set_status(self, index, status, number=1):
        """Revoke (1), suspend (2) or resume (0) a grant's index."""
        self.statuses[number][index] = status
        self.seq += 1
        if self.feed:
            self.feed.publish(marks=[(number, index, status)])

    def rotate(self, key):
        """Replace the signing keys with `key`."""
        self.keys = [key]
        self.sequence += 1

    def taint(self, key):
        """Replace the signing keys with `key`, and take those back that are replaced."""
        tainted = [old.kid for old in self.keys]
        self.rotate(key)
        self.seq += 1
        if self.feed:
            self.feed.publish(keys=tainted)

    # -- tokens

    def scope(self):
        return {
            "type": "agent_spend",
            "version": 1,
            "locations": ["https://api.example.com/v1/messages"],
            "actions": ["invoke"],
            "models": ["model-a"],
            "spend_limits": [
                {"amount": 50000, "unit": "USD", "decimals": 6, "interval": "per_authorization"},
                {"amount": 20000000, "unit": "USD", "decimals": 6, "interval": "daily"},
            ],
            "funding": "jit",
        }

    def claims(
        self, agent="planner", *, account="acme", index=412, number=1, now=None, jti="0190b6f0c0de00000001", **changes
    ):
        """The claims of a good token, with `changes`; a change to None leaves the claim out."""
        now = self.now() if now is None else now
        subject = f"spiffe://{self.trust_domain}/account/{account}/agent/{agent}"
        claims = {
            "iss": self.url,
            "sub": subject,
            "aud": AUDIENCE,
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "jti": jti,
            "tenant": account,
            "sub_profile": "ai_agent",
            "parent_agent": subject.rpartition("/sub/")[0] or None,
            "txn": "task-81",
            "authorization_details": [self.scope()],
            "trust_tier": None,
            "status": {"status_list": {"idx": index, "uri": self.list_uri(number)}},
            "cnf": None,
        }
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def token(self, *args, **changes):
        """A signed agent token; the arguments are those of `claims`."""
        return self.sign(self.claims(*args, **changes))

    def sign(self, claims, key=None):
        """Sign any claims (an object, or the exact bytes) as an agent token."""
        key = key or self.keys[0]
        payload = claims if isinstance(claims, bytes) else json.dumps(claims, separators=(",", ":")).encode()
        return sign_compact({"alg": "ES256", "kid": key.kid, "typ": "JWT"}, payload, key.private)


def _handler(issuer):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.note()
            if issuer.feed and self.path.partition("?")[0] == "/status/events":
                issuer.requests.append("/status/events")
                issuer.feed.serve(self)
            else:
                self.answer(*issuer.answer(self.path))

        def do_POST(self):
            self.note()
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            issuer.requests.append(self.path)
            issuer.wait_while_paused()
            if issuer.verifiers:
                self.answer(*issuer.verifiers.answer(self.command, self.path, self.headers["Authorization"], body))
            else:
                self.answer(404, {}, b"")

        do_DELETE = do_POST  # noqa: N815 - the base class looks it up by this name

        def note(self):
            if issuer.verifiers:
                issuer.verifiers.shown.append((self.path, self.headers["Authorization"]))

        def answer(self, status, headers, body):
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            for part in _parts(body, issuer.drip_seconds):
                self.wfile.write(part)

        def handle(self):
            with contextlib.suppress(ConnectionError):  # the client gave up: that is what some tests are about
                super().handle()

        def log_message(self, *_):
            pass

    return Handler


def _parts(body, drip_seconds):
    if not drip_seconds:
        return [body]
    return (time.sleep(drip_seconds) or body[place : place + 1] for place in range(len(body)))
