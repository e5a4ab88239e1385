"""The agents' hooks with tokens that are bound to a key: fresh proofs, nonces, redirects; held by the sidecar and by the agent."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import httpx
import pytest
import requests

import remit
import remit.integrations.aiohttp_client
import remit.integrations.httpx
import remit.integrations.requests
from tests.fakes.proving_provider import ProvingProvider, proving_provider
from tests.fakes.sidecar import FakeSidecar

AUDIENCE = "https://api.example.com"
Post = Callable[..., int]


@pytest.fixture
def provider() -> Iterator[ProvingProvider]:
    with proving_provider() as running:
        yield running


@pytest.fixture(params=["sidecar", "agent"])
def client(request: pytest.FixtureRequest, sidecar: FakeSidecar) -> remit.Client:
    """A client whose key the sidecar holds, and one with a key of its own."""
    if request.param == "agent":
        return remit.Client(sidecar.path, key=remit.AgentKey.generate())
    sidecar.key = remit.AgentKey.generate()
    return remit.Client(sidecar.path)


@pytest.fixture(autouse=True)
def _now(sidecar: FakeSidecar) -> None:
    """The sidecar's tokens are of today."""
    sidecar.issued_at = 4_000_000_000


@pytest.fixture(params=["httpx", "httpx async", "requests", "aiohttp"])
def post(request: pytest.FixtureRequest, client: remit.Client, provider: ProvingProvider) -> Post:
    """Sends one request with the hook of each library, the same hook each time, and answers with the status."""
    make = {
        "httpx": lambda: remit.integrations.httpx.Auth(AUDIENCE, client=client),
        "httpx async": lambda: remit.integrations.httpx.Auth(AUDIENCE, client=client),
        "requests": lambda: remit.integrations.requests.Auth(AUDIENCE, client=client),
        "aiohttp": lambda: remit.integrations.aiohttp_client.agent_auth(AUDIENCE, origin=provider.url, client=client),
    }
    auth = make[request.param]()

    def send(url: str, content: bytes = b"x") -> int:
        if request.param == "requests":
            return requests.post(url, data=content, auth=auth, timeout=10).status_code
        if request.param == "httpx":
            with httpx.Client(auth=auth, follow_redirects=True) as http:
                return http.post(url, content=content).status_code
        work = _by_httpx if request.param == "httpx async" else _by_aiohttp
        return asyncio.run(work(url, content, auth))

    return send


async def _by_httpx(url: str, content: bytes, auth: httpx.Auth) -> int:
    async with httpx.AsyncClient(auth=auth, follow_redirects=True) as http:
        return (await http.post(url, content=content)).status_code


async def _by_aiohttp(url: str, content: bytes, auth: aiohttp.ClientMiddlewareType) -> int:
    async with aiohttp.ClientSession(middlewares=[auth]) as http, http.post(url, data=content) as answer:
        return answer.status


def test_each_request_has_a_proof_of_its_own(post: Post, provider: ProvingProvider) -> None:
    """The provider, which takes no proof twice, takes them all; the query is not part of what is proved."""
    assert [post(f"{provider.url}/v1/messages?n={n}") for n in range(3)] == [200] * 3
    assert [call.proofs for call in provider.calls] == [1, 1, 1]
    assert len({call.proof.jti for call in provider.calls if call.proof}) == 3


def test_a_nonce_is_learnt_once(post: Post, provider: ProvingProvider) -> None:
    """The first request is repeated, whole, with the nonce; the next one has it at once; a new nonce is learnt again."""
    provider.nonce = "nonce-1"
    assert [post(provider.url, b"a"), post(provider.url, b"b")] == [200, 200]
    assert [(call.refused, call.body) for call in provider.calls] == [
        ("use_dpop_nonce", b"a"),
        (None, b"a"),
        (None, b"b"),
    ]
    provider.nonce = "nonce-2"
    assert post(provider.url) == 200
    assert [call.refused for call in provider.calls[3:]] == ["use_dpop_nonce", None]


def test_a_provider_that_is_never_satisfied_is_left(post: Post, provider: ProvingProvider) -> None:
    """A nonce is tried once for each request, and another token once."""
    provider.nonce = "n" * 5000  # too long to be remembered: no proof ever has it
    assert post(provider.url) == 401
    assert len(provider.calls) <= 4


def test_another_token_after_a_401(post: Post, provider: ProvingProvider, sidecar: FakeSidecar) -> None:
    """A refused token is replaced, with a fresh proof that names the new one."""
    assert post(provider.url) == 200
    provider.refused.add((provider.calls[0].authorization or "").removeprefix("DPoP "))
    sidecar.serial = 2
    assert post(provider.url) == 200
    assert [call.refused for call in provider.calls] == [None] * 3
    assert len({call.authorization for call in provider.calls}) == 2


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_within_the_origin(post: Post, provider: ProvingProvider, status: int) -> None:
    """The proof of the first hop is not good for the second: one for its url follows, with the same body."""
    provider.redirects["/old"] = (status, "/new")
    assert post(f"{provider.url}/old", b"body") == 200
    assert (provider.calls[-1].path, provider.calls[-1].refused, provider.calls[-1].body) == ("/new", None, b"body")


def test_a_redirect_elsewhere(post: Post, provider: ProvingProvider) -> None:
    """Another origin gets neither the token nor any proof, however often it asks."""
    with proving_provider() as other:
        other.nonce = "other-nonce"
        provider.redirects["/"] = (307, f"{other.url}/")
        assert post(f"{provider.url}/") == 401
        assert [call.authorization for call in other.calls] == [None]
        assert [call.proofs for call in other.calls] == [0]
    assert provider.calls[0].refused is None


def test_a_redirect_elsewhere_after_another_attempt(post: Post, provider: ProvingProvider) -> None:
    """What was sent first is not sent along either."""

    class Later(dict[str, tuple[int, str]]):
        def __contains__(self, path: object) -> bool:
            return len(provider.calls) > 1 and super().__contains__(path)

    with proving_provider() as other:
        provider.nonce = "a-nonce"
        provider.redirects = Later({"/": (307, f"{other.url}/")})
        assert post(f"{provider.url}/") == 401
        assert [(call.authorization, call.proofs) for call in other.calls] == [(None, 0)]
    assert [call.refused for call in provider.calls] == ["use_dpop_nonce", None]


def test_a_sidecar_that_was_started_anew(provider: ProvingProvider, sidecar: FakeSidecar) -> None:
    """It signs only for tokens that it gave: another one is fetched, and the request goes through."""
    sidecar.key = remit.AgentKey.generate()
    auth = remit.integrations.httpx.Auth(AUDIENCE, client=remit.Client(sidecar.path))
    with httpx.Client(auth=auth) as http:
        assert http.post(provider.url).status_code == 200
        sidecar.forgets = 1
        assert http.post(provider.url).status_code == 200
    assert len({call.authorization for call in provider.calls}) == 2


def test_an_own_key_is_registered_first(sidecar: FakeSidecar) -> None:
    """With a proof of possession for the issuer's route and nonce, once for each agent."""
    key = remit.AgentKey.generate()
    client = remit.Client(sidecar.path, key=key)
    token = client.token(AUDIENCE)
    client.token(AUDIENCE, task="t")
    (body,) = sidecar.registered
    assert (body["jwk"], token.is_bound) == (key.jwk, True)
    client.token(AUDIENCE, agent="acme/other")
    assert [each.get("agent") for each in sidecar.registered] == [None, "acme/other"]


def test_a_token_of_another_key_is_not_signed_for(sidecar: FakeSidecar) -> None:
    """The agent was given another key meanwhile: the error says what to do."""
    client = remit.Client(sidecar.path, key=remit.AgentKey.generate())
    token = client.token(AUDIENCE)
    other = remit.Client(sidecar.path, key=remit.AgentKey.generate())
    with pytest.raises(remit.ProofRefusedError) as refusal:
        other.proof("GET", AUDIENCE, token)
    assert refusal.value.code == "key_mismatch"


def test_a_refused_registration_is_raised(sidecar: FakeSidecar) -> None:
    """Without the key there is no token."""
    sidecar.refusal = (409, {"code": "conflict", "detail": "this key is registered for somebody else"})
    with pytest.raises(remit.RefusedError) as refusal:
        remit.Client(sidecar.path, key=remit.AgentKey.generate()).token(AUDIENCE)
    assert refusal.value.code == "conflict"
    with pytest.raises(remit.ConfigurationError):
        remit.Client(sidecar.path).register_key()


def test_an_origin_is_needed(sidecar: FakeSidecar) -> None:
    """aiohttp's hook runs for every hop: without an origin it would not know where the token belongs."""
    with pytest.raises(remit.ConfigurationError):
        remit.integrations.aiohttp_client.agent_auth("the-api", client=remit.Client(sidecar.path))


def test_keys_in_files(tmp_path: Path) -> None:
    """Made once, read again, for its owner only; whatever else is there is refused, and nothing of it is repeated."""
    path = tmp_path / "keys" / "agent.pem"
    path.parent.mkdir()
    key = remit.AgentKey.load_or_generate(path)
    assert remit.AgentKey.load_or_generate(path).thumbprint == key.thumbprint == remit.AgentKey.load(path).thumbprint
    assert path.stat().st_mode & 0o777 == 0o600
    assert not key.save(path)
    assert [each.name for each in path.parent.iterdir()] == ["agent.pem"]
    assert "PRIVATE" not in repr(key)
    path.chmod(0o640)
    with pytest.raises(remit.ConfigurationError, match="read by others"):
        remit.AgentKey.load(path)
    path.chmod(0o600)
    path.write_text("secret words")
    with pytest.raises(remit.ConfigurationError) as refusal:
        remit.AgentKey.load(path)
    assert "secret words" not in str(refusal.value)
    with pytest.raises(remit.ConfigurationError):
        remit.AgentKey.load(tmp_path / "missing")
    with pytest.raises(remit.ConfigurationError):
        remit.AgentKey.load_or_generate(tmp_path / "no-folder" / "agent.pem")
