"""Idempotency-Key: asking twice changes once, and nobody reads another's answer."""

import asyncio

import pytest

KEY = {"Idempotency-Key": "k-1"}
ACCOUNT = {"name": "acme", "owner": "ana"}


async def test_a_repeated_change_answers_the_same_and_changes_nothing(issuer):
    """The first answer comes again, although doing it again would be a conflict."""
    first = await issuer.call("POST", "/accounts", ACCOUNT, headers=KEY, status=201)
    records = await issuer.records()
    issuer.clock.ms += 60_000
    assert await issuer.call("POST", "/accounts", ACCOUNT, headers=KEY, status=201) == first
    assert await issuer.records() == records


async def test_a_repeated_revocation_says_when_it_first_took_effect(issuer):
    """Its sequence number and its time are those of the change that was made."""
    await issuer.register("acme/planner")
    body = {"what": "acme/planner", "reason": "over"}
    first = await issuer.call("POST", "/suspend", body, headers=KEY, status=200)
    await issuer.call("POST", "/resume", body, status=200)
    issuer.clock.ms += 60_000
    assert await issuer.call("POST", "/suspend", body, headers=KEY, status=200) == first
    assert (await issuer.call("GET", "/agents/acme/planner"))["state"] == "active"


async def test_the_same_key_with_another_body_is_refused(issuer):
    """422, and the other change is not made."""
    await issuer.call("POST", "/accounts", ACCOUNT, headers=KEY, status=201)
    other = {"name": "zeta", "owner": "ana"}
    assert (await issuer.call("POST", "/accounts", other, headers=KEY, status=422))["code"] == "idempotency_mismatch"
    await issuer.call("GET", "/accounts/zeta", status=404)


async def test_another_principal_gets_nothing_by_the_key(issuer):
    """To them it is a new change: here a conflict, and for one without the role a refusal."""
    await issuer.call("POST", "/accounts", ACCOUNT, headers=KEY, status=201)
    other, viewer = await issuer.operator("ops", "operator"), await issuer.operator("eyes", "viewer")
    assert (await issuer.call("POST", "/accounts", ACCOUNT, headers=KEY, token=other, status=409))["code"] == "conflict"
    await issuer.call("POST", "/accounts", ACCOUNT, headers=KEY, token=viewer, status=403)
    await issuer.call("POST", "/accounts", ACCOUNT, headers=KEY, token=None, status=401)


async def test_the_key_of_one_route_is_not_that_of_another(issuer):
    """A key is scoped to its route."""
    await issuer.register("acme/planner")
    body = {"what": "acme/planner", "reason": "over"}
    assert (await issuer.call("POST", "/suspend", body, headers=KEY))["resolved"]["state"] == "suspended"
    assert (await issuer.call("POST", "/resume", body, headers=KEY))["resolved"]["state"] == "active"


async def test_a_secret_is_not_stored_but_made_anew(issuer):
    """A repeated join token is another one; a repeated operator gets another credential, and the first stops working."""
    first = await issuer.call("POST", "/join-tokens", {"sidecar": "edge-1"}, headers=KEY, status=201)
    again = await issuer.call("POST", "/join-tokens", {"sidecar": "edge-1"}, headers=KEY, status=201)
    assert first["token"] != again["token"]
    body = {"name": "ops", "role": "viewer"}
    first = await issuer.call("POST", "/operators", body, headers=KEY, status=201)
    again = await issuer.call("POST", "/operators", body, headers=KEY, status=201)
    await issuer.call("GET", "/whoami", token=first["token"], status=401)
    await issuer.call("GET", "/whoami", token=again["token"], status=200)
    await issuer.call("POST", "/operators", body, status=409)


async def test_a_refused_change_may_be_tried_again_with_its_key(issuer):
    """A refusal changed nothing, so there is nothing to remember."""
    body = {"agent": "acme/planner"}
    await issuer.call("POST", "/agents", body, headers=KEY, status=404)
    await issuer.call("POST", "/accounts", ACCOUNT, status=201)
    await issuer.call("POST", "/agents", body, headers=KEY, status=201)


async def test_a_key_is_forgotten_after_a_day(issuer):
    """Then the same request is a new change."""
    await issuer.call("POST", "/accounts", ACCOUNT, headers=KEY, status=201)
    issuer.clock.ms += 86_400_000
    await issuer.call("POST", "/accounts", ACCOUNT, headers=KEY, status=409)


async def test_the_same_change_at_the_same_moment_is_made_once(issuer):
    """Every one of them gets the one answer."""
    calls = [issuer.call("POST", "/accounts", ACCOUNT, headers=KEY, status=201) for _ in range(8)]
    answers = await asyncio.gather(*calls)
    assert all(answer == answers[0] for answer in answers)
    assert len(await issuer.records(kind="account.create")) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "ü", "a b"])
async def test_a_key_that_is_not_printable_ascii_is_refused(issuer, key):
    """As is one that is too long."""
    problem = await issuer.call("POST", "/accounts", ACCOUNT, headers={"Idempotency-Key": key}, status=400)
    assert problem["code"] == "malformed_request"


async def test_a_deletion_takes_a_key_too(issuer):
    """It is answered again as it was."""
    await issuer.register("acme/planner")
    entry = await issuer.call("POST", "/entries", {"agent": "acme/planner", "selectors": ["unix:uid:1"]}, status=201)
    first = await issuer.call("DELETE", f"/entries/{entry['id']}", headers=KEY, status=200)
    assert await issuer.call("DELETE", f"/entries/{entry['id']}", headers=KEY, status=200) == first
