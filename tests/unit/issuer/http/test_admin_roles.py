"""Who may do what: the whole matrix, over HTTP."""

import pytest

REASON = {"reason": "a test"}
NOBODY, VIEWER, OPERATOR, ADMIN, OWNER, OWNING_VIEWER, OWNING_ADMIN = (
    "nobody", "viewer", "operator", "admin", "owner", "owning viewer", "owning admin",
)  # fmt: skip
EVERYONE = {VIEWER, OPERATOR, ADMIN, OWNER, OWNING_VIEWER, OWNING_ADMIN}
UNLIMITED = {VIEWER, OPERATOR, ADMIN}
OPERATORS = {OPERATOR, ADMIN}

ROUTES = [
    ("GET", "/whoami", None, EVERYONE),
    ("GET", "/accounts", None, EVERYONE),
    ("GET", "/accounts/acme", None, EVERYONE),
    ("GET", "/accounts/zeta", None, UNLIMITED),
    ("GET", "/accounts/acme/keys", None, EVERYONE),
    ("GET", "/accounts/zeta/keys", None, UNLIMITED),
    ("GET", "/agents", None, EVERYONE),
    ("GET", "/agents?account=acme", None, EVERYONE),
    ("GET", "/agents?account=zeta", None, UNLIMITED),
    ("GET", "/agents/acme/planner", None, EVERYONE),
    ("GET", "/agents/zeta/planner", None, UNLIMITED),
    ("GET", "/entries", None, EVERYONE),
    ("GET", "/grants", None, EVERYONE),
    ("GET", "/audit", None, EVERYONE),
    ("GET", "/status", None, UNLIMITED),
    ("GET", "/sidecars", None, UNLIMITED),
    ("GET", "/operators", None, UNLIMITED),
    ("GET", "/providers", None, UNLIMITED),
    ("GET", "/verifiers", None, UNLIMITED),
    ("GET", "/insight", None, UNLIMITED),
    ("GET", "/enforcement/0", None, EVERYONE),
    ("GET", "/tasks", None, EVERYONE),
    ("POST", "/tasks/complete", {"task": "t-81"}, {OPERATOR, ADMIN, OWNER, OWNING_ADMIN}),
    ("POST", "/sidecars/edge-1/evict", REASON, OPERATORS),
    ("POST", "/sidecars/edge-1/ban", REASON, OPERATORS),
    ("GET", "/providers/shop", None, UNLIMITED),
    ("POST", "/resolve", {"what": "acme/planner"}, EVERYONE),
    ("POST", "/resolve", {"what": "zeta/planner"}, UNLIMITED),
    ("POST", "/resolve", {"what": "sidecar:edge-1"}, UNLIMITED),
    ("POST", "/accounts", {"name": "new", "owner": "o"}, OPERATORS),
    ("POST", "/agents", {"agent": "acme/new"}, OPERATORS),
    ("POST", "/entries", {"agent": "acme/planner", "selectors": ["unix:uid:1"]}, OPERATORS),
    ("POST", "/grants", {"agent": "acme/planner", "task": "t"}, OPERATORS),
    ("POST", "/join-tokens", {"sidecar": "edge-2"}, OPERATORS),
    ("POST", "/providers", {"name": "new", "audiences": ["A"]}, OPERATORS),
    ("POST", "/providers/shop/credential", {}, OPERATORS),
    ("POST", "/import", {"records": [{"kind": "account", "name": "new", "owner": "o"}]}, OPERATORS),
    ("POST", "/operators", {"name": "new", "role": "viewer"}, {ADMIN}),
    ("POST", "/suspend", {"what": "acme/planner", **REASON}, {OPERATOR, ADMIN, OWNER, OWNING_ADMIN}),
    ("POST", "/resume", {"what": "acme/planner", **REASON}, {OPERATOR, ADMIN, OWNER, OWNING_ADMIN}),
    ("POST", "/revoke", {"what": "acme/planner", **REASON}, {OPERATOR, ADMIN, OWNER, OWNING_ADMIN}),
    ("POST", "/suspend", {"what": "zeta/planner", **REASON}, OPERATORS),
    ("POST", "/resume", {"what": "account:acme", **REASON}, OPERATORS),
    ("POST", "/revoke", {"what": "sidecar:edge-1", **REASON}, OPERATORS),
    ("POST", "/revoke", {"what": "operator:ops-viewer", **REASON}, {ADMIN}),
]


async def credentials(issuer) -> dict[str, str | None]:
    await issuer.register("acme/planner")
    await issuer.register("zeta/planner", account="zeta")
    await issuer.call("POST", "/grants", {"agent": "acme/planner", "task": "t-81"}, status=201)
    await issuer.call("POST", "/join-tokens", {"sidecar": "edge-1"}, status=201)
    await issuer.call("POST", "/providers", {"name": "shop", "audiences": ["A"]}, status=201)
    return {
        NOBODY: None,
        VIEWER: await issuer.operator("ops-viewer", "viewer"),
        OPERATOR: await issuer.operator("ops-operator", "operator"),
        ADMIN: issuer.token,
        OWNER: await issuer.operator("acme-operator", "operator", "acme"),
        OWNING_VIEWER: await issuer.operator("acme-viewer", "viewer", "acme"),
        OWNING_ADMIN: await issuer.operator("acme-admin", "admin", "acme"),
    }


@pytest.mark.parametrize(("method", "path", "body", "allowed"), ROUTES, ids=range(len(ROUTES)))
async def test_a_route_lets_in_exactly_those_it_is_for(issuer, method, path, body, allowed):
    """Everybody else is refused with a code that says why, changes nothing, and leaves an audit record."""
    tokens = await credentials(issuer)
    for who in tokens.keys() - allowed:
        before = await issuer.records(outcome="allowed")
        refused = await issuer.call(method, path, body, token=tokens[who])
        assert refused["code"] in ({"unauthenticated"} if who == NOBODY else {"forbidden", "not_found"}), who
        assert await issuer.records(outcome="allowed") == before
        assert (await issuer.records(outcome="refused"))[-1].detail["code"] == refused["code"]
    for who in sorted(allowed):
        answer = await issuer.send(method, path, body, token=tokens[who])
        assert answer.status in (200, 201, 409), (who, await answer.text())  # 409: the one before did it already


async def test_lists_show_an_operator_of_one_account_nothing_else(issuer):
    """Accounts, agents, grants, entries and audit records of others are not there for them."""
    tokens = await credentials(issuer)
    await issuer.call("POST", "/entries", {"agent": "zeta/planner", "selectors": ["unix:uid:1"]}, status=201)
    for path in ("/accounts", "/agents", "/entries", "/grants", "/grants?agent=zeta/planner", "/audit"):
        answer = await issuer.call("GET", path, token=tokens[OWNER], status=200)
        assert "zeta" not in str(answer), path


async def test_an_owner_stops_their_own_part_of_a_shared_task_only(issuer):
    """A task that several accounts work on means to an owner the grants of their account."""
    tokens = await credentials(issuer)
    for account in ("acme", "zeta"):
        await issuer.call("POST", "/grants", {"agent": f"{account}/planner", "task": "shared"}, status=201)
    stopped = await issuer.call("POST", "/revoke", {"what": "shared", **REASON}, token=tokens[OWNER], status=200)
    assert stopped["changed"] == {"grants": 1}
    states = {item["agent"]: item["state"] for item in (await issuer.call("GET", "/grants?task=shared"))["items"]}
    assert states == {"acme/planner": "revoked", "zeta/planner": "active"}


async def test_an_owner_cannot_resume_an_account_that_was_suspended_above_them(issuer):
    """Nor stop the account itself."""
    tokens = await credentials(issuer)
    await issuer.call("POST", "/suspend", {"what": "account:acme", **REASON}, status=200)
    await issuer.call("POST", "/resume", {"what": "account:acme", **REASON}, token=tokens[OWNER], status=403)
    resumed = await issuer.call("POST", "/resume", {"what": "acme/planner", **REASON}, token=tokens[OWNER], status=200)
    assert resumed["resolved"]["above"] == "suspended"


async def test_a_credential_stops_working_when_its_operator_is_stopped(issuer):
    """At once, and a suspended one works again after it is resumed; nobody stops themselves."""
    token = await issuer.operator("ops", "viewer")
    await issuer.call("POST", "/suspend", {"what": "operator:ops", **REASON}, status=200)
    assert (await issuer.call("GET", "/whoami", token=token, status=401))["code"] == "unauthenticated"
    await issuer.call("POST", "/resume", {"what": "operator:ops", **REASON}, status=200)
    await issuer.call("GET", "/whoami", token=token, status=200)
    await issuer.call("POST", "/revoke", {"what": "operator:root", **REASON}, status=403)
