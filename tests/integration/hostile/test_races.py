"""The same thing at the same moment, from many sides: one wins, and a revocation that was answered holds."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from issuer.registry.roles import Role
from remit.bundle import parse_jwks
from remit.jose import parse_unverified
from remit.statuslist import StatusListToken
from tests.fakes.exchanging import Exchange, parents_token
from tests.fakes.ground import Ground
from tests.fakes.issuer_process import IssuerProcess, SidecarClient, wanted

MANY = 50
UIDS = itertools.count(3000)


def at_once(work, count=MANY):
    """Call `work` with 0, 1, … at the same moment; what each returned, in order."""
    barrier = threading.Barrier(count)

    def one(number):
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_one_join_token_lets_one_sidecar_in(ground: Ground):
    """Fifty keys with one token: one joins, the others are told that it was used, and only one key is bound."""
    token = ground.issuer.post("/join-tokens", sidecar="wanted")["token"]
    sidecars = [SidecarClient(ground.issuer.url) for _ in range(MANY)]
    for sidecar in sidecars:
        sidecar.nonce = ground.sidecar.nonce
    body = {"attestor": "join_token", "evidence": {"token": token}}
    try:
        answers = at_once(lambda number: sidecars[number].post("/v1/attest/join", body))
        sessions = [sidecar.post("/v1/attest/session", {}).status_code for sidecar in sidecars]
    finally:
        for sidecar in sidecars:
            sidecar.http.close()
    assert sorted(answer.status_code for answer in answers) == [200] + [403] * (MANY - 1)
    assert {answer.json()["code"] for answer in answers if answer.status_code == 403} == {"evidence_replayed"}
    assert sorted(sessions) == [200] + [401] * (MANY - 1)
    assert sessions[[answer.status_code for answer in answers].index(200)] == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/accounts", {"name": "raced", "owner": "o"}),
        ("/agents", {"agent": "acme/raced"}),
        ("/operators", {"name": "raced", "role": Role.VIEWER}),
        ("/grants", {"agent": "acme/planner", "task": "raced"}),
        ("/import", {"records": [{"kind": "account", "name": "raced-too", "owner": "o"}]}),
    ],
)
def test_one_name_is_given_once(ground: Ground, path, body):
    """Fifty creations of one name: one is made, the others conflict."""
    answers = at_once(lambda _: ground.issuer.operator.post(path, json=body))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * (MANY - 1)
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"conflict"}


def test_one_idempotency_key_makes_one_change(ground: Ground):
    """Fifty repetitions at once: all get the same answer, and there is one record of it."""
    headers = {"Idempotency-Key": "race-1"}
    body = {"name": "once", "owner": "o"}
    answers = at_once(lambda _: ground.issuer.operator.post("/accounts", json=body, headers=headers))
    assert {(answer.status_code, answer.text) for answer in answers} == {(201, answers[0].text)}
    assert ground.audit_text().count("'account.create', 'allowed', 'operator:admin', 'once'") == 1


def test_one_sub_agent_is_made_by_whoever_delegates_first(ground: Ground):
    """Fifty first delegations at once: all are served, with one agent, one grant and one place in the status list."""
    uid = next(UIDS)
    ground.issuer.register("delegator/runner", f"unix:uid:{uid}", sidecar="edge-1")
    token = parents_token(ground.sidecar, uid, agent="delegator/runner")
    exchanges = [Exchange.of(ground.sidecar) for _ in range(MANY)]
    for exchange in exchanges:
        exchange.nonce = ground.sidecar.nonce
    answers = at_once(lambda number: exchanges[number].delegate(token, "delegator/runner/sub/first"))
    assert {answer.status_code for answer in answers} == {200}
    said = [parse_unverified(answer.json()["access_token"]).unverified_payload() for answer in answers]
    assert len({claims["jti"] for claims in said}) == MANY
    assert len({claims["status"]["status_list"]["idx"] for claims in said}) == 1
    listed = ground.issuer.operator.get("/grants", params={"agent": "delegator/runner/sub/first"}).json()["items"]
    assert len(listed) == 1


def statuses(issuer: IssuerProcess, tokens):
    """What the public status lists say of each token now, as anybody reads them."""
    keys = parse_jwks(issuer.http.get("/status/keys").content)
    lists = {
        uri: StatusListToken.verify(issuer.http.get(uri).content, keys=keys, uri=uri, now=int(time.time()))
        for uri in issuer.http.get("/statuslists").json()["status_lists"]
    }
    named = [parse_unverified(token).unverified_payload()["status"]["status_list"] for token in tokens]
    return [lists[entry["uri"]].statuses.get(entry["idx"]) for entry in named]


def copies(sidecar: SidecarClient, count):
    """Connections of one sidecar, each with its own nonce."""
    made = [SidecarClient(sidecar.url) for _ in range(count)]
    for copy in made:
        copy.key, copy.session, copy.nonce = sidecar.key, sidecar.session, sidecar.nonce
    return made


@pytest.mark.parametrize("verb", ["revoke", "suspend"])
@pytest.mark.parametrize("level", ["account", "agent", "task"])
def test_a_revocation_that_was_answered_holds_for_every_token(ground: Ground, verb, level):
    """It races hundreds of issuances; once it is answered, no token that anybody was ever given is valid."""
    account, uid = f"{level}-{verb}", next(UIDS)
    agent, task = f"{account}/runner", f"job-{level}-{verb}"
    ground.issuer.register(agent, f"unix:uid:{uid}", f"unix:gid:{uid}", sidecar="edge-1")
    tokens, refused, stop_now = [], [], threading.Event()
    sidecars = copies(ground.sidecar, 8)

    def work(number):
        for turn in range(1_000):
            more = {"task": task if level == "task" else f"{number}-{turn % 5}"} if turn % 2 or level == "task" else {}
            (result,) = sidecars[number].issue(wanted(uid, agent=agent, **more))
            if "problem" in result:
                refused.append(result["problem"]["code"])
                return
            tokens.extend(one["token"] for one in result["credentials"])
            if len(tokens) > 200:
                stop_now.set()

    def stop():
        assert stop_now.wait(20)
        what = {"account": account, "agent": agent, "task": f"task:{task}"}[level]
        answer = ground.issuer.post(f"/{verb}", what=what, reason="a race")
        return answer, list(tokens)

    try:
        with ThreadPoolExecutor(9) as pool:
            stopping = pool.submit(stop)
            list(pool.map(work, range(8)))
            _, given_before = stopping.result()
    finally:
        for sidecar in sidecars:
            sidecar.http.close()
    assert len(refused) == 8
    assert len(tokens) >= len(given_before) > 200
    assert set(statuses(ground.issuer, tokens)) == {1 if verb == "revoke" else 2}
