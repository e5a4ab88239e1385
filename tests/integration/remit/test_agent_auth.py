"""The httpx and requests hooks: a real provider on loopback, a sidecar on a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
import requests

import remit
import remit.integrations.httpx
import remit.integrations.requests
from tests.fakes.provider import FakeProvider, run_fake_provider
from tests.fakes.sidecar import FakeSidecar

AUDIENCE = "https://api.example.com"
Post = Callable[[str, object], int]


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with run_fake_provider() as running:
        yield running


@pytest.fixture
def client(sidecar: FakeSidecar) -> remit.Client:
    return remit.Client(sidecar.path, clock=lambda: 1000.0)


@pytest.fixture(params=["httpx", "httpx async", "requests"])
def post(request: pytest.FixtureRequest, client: remit.Client) -> Post:
    """Sends one request with the hook of each library and answers with the status."""
    kind = request.param

    def send(url: str, content: object) -> int:
        if kind == "requests":
            auth = remit.integrations.requests.Auth(AUDIENCE, client=client, task="task-81")
            return requests.post(url, data=content, auth=auth, timeout=10).status_code
        settings = {
            "auth": remit.integrations.httpx.Auth(AUDIENCE, client=client, task="task-81"),
            "follow_redirects": True,
        }
        if kind == "httpx":
            with httpx.Client(**settings) as http:
                return http.post(url, content=content).status_code
        return asyncio.run(_post_async(url, content, settings))

    return send


async def _post_async(url: str, content: object, settings: dict[str, object]) -> int:
    async def parts() -> AsyncIterator[bytes]:
        for part in content:
            yield part

    async with httpx.AsyncClient(**settings) as http:
        return (await http.post(url, content=content if isinstance(content, bytes) else parts())).status_code


def test_sends_the_token(post: Post, provider: FakeProvider, sidecar: FakeSidecar) -> None:
    """Every request carries the token, which is fetched once, for the task that was given."""
    assert [post(provider.url, b"x") for _ in range(2)] == [200, 200]
    assert provider.calls == [("Bearer secret-1", b"x")] * 2
    assert sidecar.requests == [{"audience": AUDIENCE, "task": "task-81"}]


def test_a_new_token_after_a_401(post: Post, provider: FakeProvider, sidecar: FakeSidecar) -> None:
    """A refused token is replaced once, and the request is repeated with its body."""
    assert post(provider.url, b"x") == 200
    provider.accepted, sidecar.serial = {"secret-2"}, 2
    assert post(provider.url, b"y") == 200
    assert provider.calls[1:] == [("Bearer secret-1", b"y"), ("Bearer secret-2", b"y")]


def test_no_repetition_in_vain(post: Post, provider: FakeProvider, sidecar: FakeSidecar) -> None:
    """While the sidecar has no other token, the 401 is the answer; another token that is refused too ends it."""
    provider.accepted = set()
    assert post(provider.url, b"x") == 401
    assert len(provider.calls) == 1
    sidecar.serial = 2
    assert post(provider.url, b"x") == 401
    assert len(provider.calls) <= 3


def test_a_stream_is_not_repeated(post: Post, provider: FakeProvider, sidecar: FakeSidecar) -> None:
    """A body that is gone cannot be sent again: the 401 is the answer, and the next request is good."""
    post(provider.url, b"x")
    provider.accepted, sidecar.serial = {"secret-2"}, 2
    assert post(provider.url, iter([b"a", b"b"])) == 401
    assert provider.calls[1:] == [("Bearer secret-1", b"ab")]


def test_the_token_stays_with_its_provider(post: Post, provider: FakeProvider, sidecar: FakeSidecar) -> None:
    """A redirect to another origin takes no token along, nor is one brought there when that answers 401."""
    post(f"{provider.url}/ok", b"x")
    sidecar.serial = 2
    with run_fake_provider() as other:
        provider.redirects["/"] = f"{other.url}/"
        assert post(f"{provider.url}/", b"x") == 401
        assert other.calls == [(None, b"x")]


def test_a_refusal_of_the_sidecar_is_raised(post: Post, provider: FakeProvider, sidecar: FakeSidecar) -> None:
    """Without a token there is no request."""
    sidecar.refusal = (403, {"code": "no_grant", "detail": "no grant"})
    with pytest.raises(remit.RefusedError) as refusal:
        post(provider.url, b"x")
    assert refusal.value.code == "no_grant"
    assert not provider.calls


async def test_the_event_loop_is_never_blocked(
    provider: FakeProvider, sidecar: FakeSidecar, client: remit.Client
) -> None:
    """While the sidecar takes its time, the loop turns."""
    sidecar.gate.clear()
    async with httpx.AsyncClient(auth=remit.integrations.httpx.Auth(AUDIENCE, client=client)) as http:
        answer = asyncio.create_task(http.post(provider.url))
        while not sidecar.requests:
            await asyncio.sleep(0)
        assert not answer.done()
        sidecar.gate.set()
        assert (await answer).status_code == 200
