"""The agent's client against a sidecar on a real Unix socket."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from remit.client import Client, Identity, TokenRequest
from remit.errors import ConfigurationError, RefusedError, ScopeRefusedError, UnavailableError
from remit.ids import AgentName, TrustDomain
from remit.scope import SpendScope
from tests.fakes.forking import in_child
from tests.fakes.sidecar import FakeSidecar, run_fake_sidecar

AUDIENCE = "https://api.example.com"


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(sidecar: FakeSidecar, clock: Clock) -> Client:
    return Client(sidecar.path, clock=clock, timeout_seconds=10)


def test_asks_for_what_it_is_given(sidecar: FakeSidecar, client: Client) -> None:
    """Audience, task, scope, reason and agent reach the sidecar; the answer comes back as values."""
    scope = SpendScope(actions=("invoke",))
    token = client.token(AUDIENCE, task="task-81", scope=scope, reason="why", agent="acme/planner")
    assert sidecar.requests == [
        {
            "audience": AUDIENCE,
            "task": "task-81",
            "reason": "why",
            "agent": "acme/planner",
            "authorization_details": [scope.to_wire()],
        }
    ]
    assert (token.token, token.agent, token.task, token.expires_at) == (
        "secret-1",
        AgentName("acme", "planner"),
        "task-81",
        1300,
    )


def test_delegates_to_a_sub_agent(sidecar: FakeSidecar, client: Client) -> None:
    """Delegation is a request of its own, held like any other, and apart from the agent's own token."""
    client.token(AUDIENCE)
    token = client.delegate("reader", AUDIENCE, task="task-81", ttl_seconds=60, on_behalf_of="person.jwt")
    assert client.delegate("reader", AUDIENCE, task="task-81", ttl_seconds=60, on_behalf_of="person.jwt") is token
    assert sidecar.targets == ["/v1/token", "/v1/delegate"]
    assert sidecar.requests[1] == {
        "audience": AUDIENCE,
        "task": "task-81",
        "on_behalf_of": "person.jwt",
        "sub_agent": "reader",
        "ttl_seconds": 60,
    }


def test_completing_a_task_drops_its_tokens(sidecar: FakeSidecar, client: Client) -> None:
    """What was held for the task is asked for again, and refused then; what is held for others stays."""
    client.token(AUDIENCE, task="task-81")
    other = client.token(AUDIENCE, task="task-82")
    assert client.complete_task("task-81") == 2
    assert client.complete_task("task-81", agent="acme/planner") == 2
    assert sidecar.requests[2:] == [{"task": "task-81"}, {"task": "task-81", "agent": "acme/planner"}]
    assert client.token(AUDIENCE, task="task-82") is other
    client.token(AUDIENCE, task="task-81")
    assert sidecar.targets == ["/v1/token", "/v1/token", "/v1/tasks/complete", "/v1/tasks/complete", "/v1/token"]


def test_a_task_is_not_taken_as_completed_without_a_word(sidecar: FakeSidecar, client: Client) -> None:
    """An answer that is none leaves it open; the tokens are gone all the same."""
    client.token(AUDIENCE, task="task-81")
    sidecar.raw = b"{}"
    with pytest.raises(UnavailableError):
        client.complete_task("task-81")
    assert client.held(TokenRequest(AUDIENCE, "task-81")) is None


def test_a_request_does_not_show_the_persons_token() -> None:
    """A request that ends up in a log does not give it away."""
    assert "secret" not in repr(TokenRequest(AUDIENCE, on_behalf_of="secret"))


def test_repr_hides_the_token(client: Client) -> None:
    """A token that ends up in a log does not give itself away."""
    assert "secret" not in repr(client.token(AUDIENCE))


def test_identity(client: Client) -> None:
    """A process can ask who it is."""
    assert client.identity() == Identity(
        (AgentName("acme", "planner"),), TrustDomain("example.org"), "https://issuer.example.org"
    )


def test_holds_until_half_life(sidecar: FakeSidecar, client: Client, clock: Clock) -> None:
    """A token is asked for once per request until half of its life is over."""
    assert client.token(AUDIENCE) is client.token(AUDIENCE)
    client.token(AUDIENCE, task="other")
    assert len(sidecar.requests) == 2
    clock.now, sidecar.issued_at, sidecar.serial = 1150.0, 1150, 2
    assert client.token(AUDIENCE).token == "secret-2"


def test_concurrent_requests_fetch_once(sidecar: FakeSidecar, client: Client) -> None:
    """Many threads that want one token at once cause one exchange."""
    sidecar.gate.clear()
    with ThreadPoolExecutor(16) as pool:
        waiting = [pool.submit(client.token, AUDIENCE) for _ in range(16)]
        sidecar.gate.set()
        assert {future.result().token for future in waiting} == {"secret-1"}
    assert len(sidecar.requests) == 1


def test_a_renewal_keeps_nobody_waiting(sidecar: FakeSidecar, client: Client, clock: Clock) -> None:
    """While one thread renews a token that is still valid, the others use it."""
    client.token(AUDIENCE)
    clock.now, sidecar.issued_at, sidecar.serial = 1160.0, 1160, 2
    sidecar.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        renewal = pool.submit(client.token, AUDIENCE)
        while len(sidecar.requests) < 2:
            pass
        assert client.token(AUDIENCE).token == "secret-1"
        sidecar.gate.set()
        assert renewal.result().token == "secret-2"


def test_outlives_the_sidecar(tmp_path: Path, clock: Clock) -> None:
    """With the sidecar away, a valid token is used on; an expired one never."""
    with run_fake_sidecar(tmp_path / "remit.sock") as fake:
        client = Client(fake.path, clock=clock)
        client.token(AUDIENCE)
    for moment in (1200.0, 1201.0, 1299.0):
        clock.now = moment
        assert client.token(AUDIENCE).token == "secret-1"
    clock.now = 1300.0
    with pytest.raises(UnavailableError, match=r"^no answer from the sidecar: connection refused \(is"):
        client.token(AUDIENCE)


def test_a_refusal_drops_the_token(sidecar: FakeSidecar, client: Client, clock: Clock) -> None:
    """Once a renewal is refused, the old token is not used again."""
    client.token(AUDIENCE)
    clock.now = 1200.0
    sidecar.refusal = (403, {"code": "agent_not_active", "detail": "the agent is revoked", "hint": "ask its owner"})
    for _ in range(2):
        with pytest.raises(RefusedError, match="revoked") as refusal:
            client.token(AUDIENCE)
        assert (refusal.value.code, refusal.value.hint) == ("agent_not_active", "ask its owner")
    sidecar.refusal = (503, {"code": "overloaded", "detail": "later"})
    with pytest.raises(UnavailableError):
        client.token(AUDIENCE)


def test_a_sidecar_in_trouble_is_left_alone_for_a_while(sidecar: FakeSidecar, client: Client, clock: Clock) -> None:
    """After a renewal that failed, the valid token is used without asking again for some seconds."""
    client.token(AUDIENCE)
    sidecar.refusal = (503, {"code": "overloaded", "detail": "later"})
    for moment, asked in ((1200.0, 2), (1204.0, 2), (1205.0, 3)):
        clock.now = moment
        assert client.token(AUDIENCE).token == "secret-1"
        assert len(sidecar.requests) == asked


@pytest.mark.parametrize(
    ("status", "problem", "kind"),
    [
        (403, {"code": "scope_too_wide", "detail": "too wide"}, ScopeRefusedError),
        (403, {"code": 1, "detail": [], "hint": {}}, RefusedError),
        (400, [], RefusedError),
        (503, {"code": "overloaded", "detail": "later"}, UnavailableError),
        (302, {}, RefusedError),
    ],
)
def test_problems_become_errors(
    sidecar: FakeSidecar, client: Client, status: int, problem: dict[str, object], kind: type[Exception]
) -> None:
    """Each problem document becomes the error that it stands for, and a broken one still an error."""
    sidecar.refusal = (status, problem)
    with pytest.raises(kind) as raised:
        client.token(AUDIENCE)
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no json",
        b"{}",
        b'{"token":1}',
        b"[" * 10000,
        b"x" * (2 << 20),
        b'{"token":"t","issued_at":1,"expires_at":2,"agent":"x","spiffe_id":"spiffe://a/b","audience":"https://api.example.com"}',
        b'{"token":"t","issued_at":1,"expires_at":2,"agent":"a/b","spiffe_id":"spiffe://a/b","audience":"https://other"}',
    ],
)
def test_answers_that_make_no_sense(sidecar: FakeSidecar, client: Client, raw: bytes) -> None:
    """An answer that is no token is an unavailable sidecar, never a crash."""
    sidecar.raw = raw
    with pytest.raises(UnavailableError):
        client.token(AUDIENCE)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # Python 3.12: that is what is tested
def test_no_lock_stays_locked_in_a_forked_child(sidecar: FakeSidecar, client: Client, clock: Clock) -> None:
    """Other threads of the parent were fetching at the moment of the fork; the child goes on and fetches on its own."""
    held = client.token(AUDIENCE)
    clock.now, sidecar.issued_at, sidecar.serial = 1300.0, 1300, 2
    locks = [client._lock, *(slot.lock for slot in client._slots.values())]
    with ExitStack() as stack:
        for lock in locks:
            stack.enter_context(lock)
        tokens = in_child(lambda: [client.token(AUDIENCE).token, client.token(AUDIENCE, task="other").token])
    assert (held.token, tokens) == ("secret-1", ["secret-2"] * 2)


def test_forget(sidecar: FakeSidecar, client: Client) -> None:
    """A token that a provider refused is asked for again."""
    token = client.token(AUDIENCE)
    client.forget(token)
    client.token(AUDIENCE)
    assert len(sidecar.requests) == 2


def test_holds_a_bounded_number(sidecar: FakeSidecar, client: Client) -> None:
    """Of ever new requests, the oldest are let go."""
    for number in range(260):
        client.token(AUDIENCE, reason=str(number))
    client.token(AUDIENCE, reason="259")
    assert len(sidecar.requests) == 260
    client.token(AUDIENCE, reason="0")
    assert len(sidecar.requests) == 261


@pytest.mark.parametrize(
    "environ",
    [
        {"REMIT_SIDECAR_SOCKET": "{}/remit.sock", "SPIFFE_ENDPOINT_SOCKET": "unix:///nowhere"},
        {"REMIT_SIDECAR_SOCKET": "unix://{}/remit.sock"},
        {"SPIFFE_ENDPOINT_SOCKET": "unix://{}/workload.sock"},
        {"SPIFFE_ENDPOINT_SOCKET": "unix:{}/workload.sock"},
    ],
)
def test_finds_the_socket(
    sidecar: FakeSidecar, clock: Clock, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    """Remit's own variable is first, then the socket beside the Workload API's."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value.format(sidecar.path.parent))
    assert Client(clock=clock).token(AUDIENCE).token == "secret-1"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"SPIFFE_ENDPOINT_SOCKET": "tcp://127.0.0.1:1"},
        {"REMIT_SIDECAR_SOCKET": "remit.sock"},
        {"REMIT_SIDECAR_SOCKET": "unix://host/x"},
    ],
)
def test_no_socket(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    """Without a usable socket the client says what to set."""
    for name in ("REMIT_SIDECAR_SOCKET", "SPIFFE_ENDPOINT_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as error:
        Client()
    assert error.value.hint
