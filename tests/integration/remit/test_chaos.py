"""Accounts are revoked while the issuer dies and comes back and the network fails in every way: nobody accepts past the bound."""

import random
import threading
import time
from dataclasses import dataclass, field

import httpx
import pytest

import remit
from tests.fakes.faulty_relay import Faults, FaultyRelay
from tests.fakes.issuer_process import AUDIENCE, IssuerProcess, initialize, wanted
from tests.fakes.ports import free_port

ACCOUNTS = 24
BOUND_SECONDS = 3.0
LEEWAY_SECONDS = 1
ROUNDS = 12


@dataclass
class Watcher:
    """Verifies every token without pause; keeps when the last accepted `verify` of each began."""

    verifier: remit.Verifier
    tokens: dict[str, str]
    last: dict[str, float] = field(default_factory=dict)
    stopping: bool = False

    def run(self) -> None:
        with self.verifier as verifier:
            while not self.stopping:
                for account, token in self.tokens.items():
                    began = time.time()
                    try:
                        verifier.verify(token)
                    except remit.RefusedError:
                        continue
                    self.last[account] = began
                time.sleep(0.002)


@dataclass
class Revoked:
    """What the issuer said of one revocation."""

    committed_at: float
    seen_everywhere_at: float | None


class Chaos:
    """One run: an issuer behind a relay, verifiers of every kind, and a hand that breaks things."""

    def __init__(self, folder, seed):
        self.random = random.Random(seed)
        self.config = initialize(folder / "data")
        self.port = free_port()
        self.relay = FaultyRelay(self.port, seed=seed)
        self.revoked: dict[str, Revoked] = {}

    def __enter__(self):
        self.relay.__enter__()
        self.url = f"http://localhost:{self.relay.port}"
        self.environment = {"REMIT__PUBLIC_URL": self.url, "REMIT_HTTP__LISTEN": f"127.0.0.1:{self.port}"}
        self.issuer = self._started()
        self.tokens = self._issue()
        provider = self._post("/providers", name="api", audiences=[AUDIENCE])
        told = {"max_staleness": BOUND_SECONDS, "leeway": LEEWAY_SECONDS, "poll_interval": 0.3}
        self.registered = [
            Watcher(remit.Verifier(self.url, AUDIENCE, credential=provider["credential"], **told), self.tokens)
            for _ in range(3)
        ]
        self.anonymous = [Watcher(remit.Verifier(self.url, AUDIENCE, **told), self.tokens)]
        self.threads = [threading.Thread(target=watcher.run) for watcher in self.watchers]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.relay.faults = Faults()
        for watcher in self.watchers:
            watcher.stopping = True
        for thread in self.threads:
            thread.join(20)
        self.issuer.close()
        self.relay.__exit__()

    @property
    def watchers(self):
        return [*self.registered, *self.anonymous]

    @property
    def alive(self):
        return [account for account in self.tokens if account not in self.revoked]

    def kill_and_restart(self):
        """The issuer dies without a word and is away for a while."""
        self.issuer.kill()
        self.issuer.close()
        time.sleep(self.random.uniform(0.1, 1.5))
        self.issuer = self._started()

    def break_the_network(self):
        """One kind of failure, until the next round."""
        kinds = [
            Faults(),
            Faults(delay_seconds=0.8),
            Faults(duplicate=0.7),
            Faults(delay_seconds=0.3, duplicate=0.5, cut=0.1),
            Faults(cut_off=True),
        ]
        self.relay.faults = self.random.choice(kinds)
        if self.random.random() < 0.3:
            self.relay.hang_up()

    def revoke(self, account):
        """Revoke one account, as an operator who is not behind the relay; wait a little for it to be seen."""
        answer = self._post("/revoke", what=f"account:{account}", reason="chaos")
        self.revoked[account] = Revoked(answer["committed_at_ms"] / 1000, None)
        threading.Thread(target=self._await, args=(account, answer["seq"])).start()

    def _await(self, account, seq):
        try:
            told = self.issuer.operator.get(f"/enforcement/{seq}", params={"wait_seconds": 2}, timeout=10).json()
        except (httpx.HTTPError, RuntimeError):  # it was killed meanwhile: nothing was promised
            return
        if told.get("silent") == [] and len(told["enforced"]) == len(self.registered):
            self.revoked[account].seen_everywhere_at = time.time()

    def _started(self):
        issuer = IssuerProcess(self.config, environment=self.environment)
        issuer.operator.base_url = f"http://127.0.0.1:{self.port}/v1/admin"
        return issuer

    def _issue(self):
        sidecar = self.issuer.joined()
        for number in range(ACCOUNTS):
            self.issuer.register(f"a{number}/agent", f"unix:uid:{1000 + number}", sidecar="edge-1")
        results = sidecar.issue(*(wanted(1000 + number) for number in range(ACCOUNTS)))
        return {f"a{number}": result["credentials"][0]["token"] for number, result in enumerate(results)}

    def _post(self, path, **body):
        """An operator's request, repeated with one Idempotency-Key until it is answered."""
        headers = {"Idempotency-Key": f"chaos-{self.random.random()}"}
        for _ in range(40):
            try:
                answer = self.issuer.operator.post(path, json=body, headers=headers)
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            assert answer.is_success, answer.text
            return answer.json()
        raise AssertionError("the issuer never answered")


@pytest.mark.parametrize("seed", [1])
def test_no_verifier_accepts_past_its_bound_whatever_fails(tmp_path, seed):
    """Kills, cuts, delays and duplicates: past commit, bound and leeway nothing that was revoked is accepted, by anybody; where the
    issuer said that it was seen everywhere, not from then on. When all is well again the rest is accepted everywhere.
    """
    with Chaos(tmp_path, seed) as chaos:
        _wait(lambda: all(len(watcher.last) == ACCOUNTS for watcher in chaos.watchers))
        for round_number in range(ROUNDS):
            if round_number % 4 == 3:
                chaos.kill_and_restart()
            chaos.break_the_network()
            chaos.revoke(chaos.random.choice(chaos.alive))
            time.sleep(chaos.random.uniform(0.2, 2.0))
        chaos.relay.faults = Faults()
        time.sleep(BOUND_SECONDS + LEEWAY_SECONDS)
        healed = time.time()
        _wait(lambda: all(watcher.last[each] > healed for watcher in chaos.watchers for each in chaos.alive))
        for account, revoked in chaos.revoked.items():
            for watcher in chaos.watchers:
                assert watcher.last[account] <= revoked.committed_at + BOUND_SECONDS + LEEWAY_SECONDS, account
            for watcher in chaos.registered:
                assert watcher.last[account] <= (revoked.seen_everywhere_at or float("inf")), account
        assert any(revoked.seen_everywhere_at for revoked in chaos.revoked.values())


def _wait(condition, seconds=20.0):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it does not come to that"
        time.sleep(0.05)
