"""Registering over HTTP: what is registered is shown, listed by pages, and recorded."""

import pytest

SCOPE = {
    "type": "agent_spend",
    "version": 1,
    "spend_limits": [{"amount": 1_000_000, "unit": "USD", "decimals": 6, "interval": "daily"}],
}


async def test_an_account_an_agent_an_entry_and_a_grant_are_registered_and_shown(issuer):
    """What a registration answers is what showing it answers."""
    account = await issuer.call(
        "POST", "/accounts", {"name": "acme", "owner": "ana", "contact": "ana@acme"}, status=201
    )
    assert account == await issuer.call("GET", "/accounts/acme")
    agent = await issuer.call("POST", "/agents", {"agent": "acme/planner"}, status=201)
    assert agent == await issuer.call("GET", "/agents/acme/planner")
    assert (agent["owner"], agent["state"]) == ("ana", "active")
    assert agent["spiffe_id"] == "spiffe://example.org/account/acme/agent/planner"
    assert agent["did"] == "did:web:issuer.example.org:account:acme:agent:planner"
    await issuer.call("POST", "/join-tokens", {"sidecar": "edge-1"}, status=201)
    wanted = {"agent": "acme/planner", "selectors": ["unix:uid:7", "unix:path:/x", "unix:uid:7"], "sidecar": "edge-1"}
    entry = await issuer.call("POST", "/entries", wanted, status=201)
    assert entry == await issuer.call("GET", f"/entries/{entry['id']}")
    assert entry["selectors"] == ["unix:path:/x", "unix:uid:7"]
    grant = await issuer.call("POST", "/grants", {"agent": "acme/planner", "scope": SCOPE, "task": "t-1"}, status=201)
    assert grant == await issuer.call("GET", f"/grants/{grant['id']}")
    assert (grant["scope"], grant["task"], grant["effective"]) == (SCOPE, "t-1", "active")
    kinds = [record.kind for record in await issuer.records(account="acme")]
    assert kinds == ["account.create", "agent.create", "entry.create", "grant.create"]


async def test_a_sub_agent_needs_its_parent(issuer):
    """A sub-agent is registered below an agent that is there, at most five deep."""
    await issuer.register("acme/planner")
    await issuer.call("POST", "/agents", {"agent": "acme/other/sub/x"}, status=404)
    await issuer.call("POST", "/agents", {"agent": "acme/planner/sub/x"}, status=201)
    deep = "acme/planner" + "/sub/x" * 6
    assert (await issuer.call("POST", "/agents", {"agent": deep}, status=400))["code"] == "malformed_request"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/accounts", {"name": "acme", "owner": "bob"}),
        ("/agents", {"agent": "acme/planner"}),
        ("/grants", {"agent": "acme/planner"}),
        ("/operators", {"name": "root", "role": "viewer"}),
    ],
)
async def test_registering_again_is_a_conflict(issuer, path, body):
    """An existing name is refused, and nothing changes."""
    await issuer.register("acme/planner")
    before = len(await issuer.records(outcome="allowed"))
    assert (await issuer.call("POST", path, body, status=409))["code"] == "conflict"
    assert len(await issuer.records(outcome="allowed")) == before


async def test_an_entry_is_registered_once_and_deleted_once(issuer):
    """The same selectors for the same agent and parent are a conflict, until the entry is deleted."""
    await issuer.register("acme/planner")
    body = {"agent": "acme/planner", "selectors": ["oidc:ci:sub:x"]}
    entry = await issuer.call("POST", "/entries", body, status=201)
    await issuer.call("POST", "/entries", body, status=409)
    await issuer.call("DELETE", f"/entries/{entry['id']}", status=200)
    await issuer.call("DELETE", f"/entries/{entry['id']}", status=404)
    assert (await issuer.call("GET", "/entries"))["items"] == []
    await issuer.call("POST", "/entries", body, status=201)


@pytest.mark.parametrize(
    ("what", "path", "body"),
    [
        ("account:acme", "/accounts", {"name": "acme", "owner": "ana"}),
        ("agent:acme/planner", "/agents", {"agent": "acme/planner"}),
        ("task:t-1", "/grants", {"agent": "acme/planner", "task": "t-1"}),
        ("operator:ops", "/operators", {"name": "ops", "role": "admin"}),
        ("sidecar:edge-1", "/join-tokens", {"sidecar": "edge-1"}),
    ],
)
async def test_a_retired_name_is_never_used_again(issuer, what, path, body):
    """After it was revoked, a name is refused for good."""
    await issuer.register("acme/planner")
    await issuer.call("POST", "/grants", {"agent": "acme/planner", "task": "t-1"}, status=201)
    await issuer.operator("ops", "admin")
    await issuer.call("POST", "/join-tokens", {"sidecar": "edge-1"}, status=201)
    await issuer.call("POST", "/revoke", {"what": what, "reason": "over"}, status=200)
    assert (await issuer.call("POST", path, body, status=409))["code"] == "retired_name"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/agents", {"agent": "acme/another"}),
        ("/agents", {"agent": "acme/planner/sub/x"}),
        ("/entries", {"agent": "acme/planner", "selectors": ["unix:uid:1"]}),
        ("/grants", {"agent": "acme/planner", "task": "t"}),
    ],
)
async def test_nothing_is_registered_below_what_is_revoked(issuer, path, body):
    """Below a revoked account nothing new is registered."""
    await issuer.register("acme/planner")
    await issuer.call("POST", "/revoke", {"what": "account:acme", "reason": "over"})
    assert (await issuer.call("POST", path, body, status=409))["code"] == "conflict"


async def test_a_grant_registered_below_a_suspended_account_is_suspended(issuer):
    """Its status says so from its first moment, and the change is numbered."""
    await issuer.register("acme/planner")
    seq = (await issuer.call("POST", "/suspend", {"what": "acme", "reason": "wait"}))["seq"]
    grant = await issuer.call("POST", "/grants", {"agent": "acme/planner", "task": "t"}, status=201)
    assert (grant["state"], grant["effective"]) == ("active", "suspended")
    status = await issuer.call("GET", "/status")
    assert (status["seq"], status["lists"][0]["suspended"]) == (seq + 1, 2)
    await issuer.call("POST", "/resume", {"what": "acme", "reason": "fine"})
    assert (await issuer.call("GET", f"/grants/{grant['id']}"))["effective"] == "active"


@pytest.mark.parametrize("noun", ["accounts", "agents", "entries", "grants", "sidecars", "operators"])
async def test_lists_come_in_pages(issuer, noun):
    """Following the cursor shows every item once, in order, and then ends."""
    records = [{"kind": "account", "name": f"a{n}", "owner": "o"} for n in range(5)]
    records += [{"kind": "agent", "agent": f"a{n}/x"} for n in range(5)]
    records += [{"kind": "entry", "agent": f"a{n}/x", "selectors": ["unix:uid:1"]} for n in range(5)]
    records += [{"kind": "grant", "agent": f"a{n}/x"} for n in range(5)]
    await issuer.call("POST", "/import", {"records": records}, status=201)
    for n in range(4):
        await issuer.operator(f"ops-{n}", "viewer")
        await issuer.call("POST", "/join-tokens", {"sidecar": f"edge-{n}"}, status=201)
    await issuer.call("POST", "/join-tokens", {"sidecar": "edge-4"}, status=201)
    seen, after = [], ""
    while after is not None:
        page = await issuer.call("GET", f"/{noun}?limit=2&after={after}", status=200)
        seen += page["items"]
        after = page["next"]
    assert seen == (await issuer.call("GET", f"/{noun}"))["items"]
    assert len(seen) == 5


async def test_lists_are_filtered(issuer):
    """By account, agent, sidecar and task."""
    await issuer.register("acme/planner", "acme/other")
    await issuer.register("zeta/planner", account="zeta")
    await issuer.call("POST", "/grants", {"agent": "acme/other", "task": "t"}, status=201)
    await issuer.call("POST", "/join-tokens", {"sidecar": "edge-1"}, status=201)
    entry = {"agent": "acme/planner", "selectors": ["unix:uid:1"]}
    await issuer.call("POST", "/entries", entry | {"sidecar": "edge-1"}, status=201)
    await issuer.call("POST", "/entries", entry, status=201)
    assert [item["agent"] for item in (await issuer.call("GET", "/agents?account=zeta"))["items"]] == ["zeta/planner"]
    assert len((await issuer.call("GET", "/entries?agent=acme/planner"))["items"]) == 2
    assert len((await issuer.call("GET", "/entries?sidecar=edge-1"))["items"]) == 1
    assert len((await issuer.call("GET", "/grants?agent=acme/other"))["items"]) == 2
    assert len((await issuer.call("GET", "/grants?task=t&agent=acme/other"))["items"]) == 1
    assert len((await issuer.call("GET", "/grants?task=t&agent=acme/planner"))["items"]) == 0


async def test_an_import_registers_all_or_nothing(issuer):
    """Records come in any order, sub-agents with their parents; one bad record and none is registered."""
    records = [
        {"kind": "grant", "agent": "acme/planner/sub/x", "scope": SCOPE},
        {"kind": "agent", "agent": "acme/planner/sub/x"},
        {"kind": "agent", "agent": "acme/planner"},
        {"kind": "account", "name": "acme", "owner": "ana"},
    ]
    twice = [*records, {"kind": "account", "name": "acme", "owner": "ana"}]
    assert (await issuer.call("POST", "/import", {"records": twice}, status=409))["code"] == "conflict"
    assert (await issuer.call("GET", "/accounts"))["items"] == []
    answer = await issuer.call("POST", "/import", {"records": records}, status=201)
    assert answer == {"created": {"account": 1, "agent": 2, "grant": 1}}
    await issuer.call("POST", "/import", {"records": records}, status=409)


async def test_secrets_are_shown_once_and_stored_as_digests(issuer):
    """Neither a credential nor a join token is in any row or list."""
    token = await issuer.operator("ops", "viewer")
    join = (await issuer.call("POST", "/join-tokens", {"sidecar": "edge-1"}, status=201))["token"]
    assert token.startswith("remit_op_")
    assert join.startswith("remit_join_")

    async def dump(tx):
        tables = ("operators", "join_tokens", "audit", "idempotency")
        return [tuple(row) for table in tables for row in await tx.fetch(f"SELECT * FROM {table}")]

    rows = str(await issuer.services.database.read(dump))
    assert token not in rows
    assert join not in rows
