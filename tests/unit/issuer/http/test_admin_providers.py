"""Providers over HTTP: registered once, known by a credential that is shown once, and never again by an old one."""

import pytest

from issuer.errors import UnauthenticatedError
from issuer.registry.state import State
from issuer.registry.store.providers import set_provider_state

KEY = {"Idempotency-Key": "k-1"}
SHOP = {"name": "shop", "audiences": ["https://b.example.com", "https://a.example.com", "https://a.example.com"]}


async def set_state(issuer, state: State) -> None:
    await issuer.services.database.transaction(lambda tx: set_provider_state(tx, "shop", state))


async def test_a_provider_is_known_by_the_credential_that_was_shown(issuer):
    """With its audiences, each once; its owner is whoever registered it, unless one is named."""
    made = await issuer.call("POST", "/providers", SHOP, status=201)
    assert made["credential"].startswith("remit_prov_")
    assert made["audiences"] == ["https://a.example.com", "https://b.example.com"]
    provider = await issuer.services.providers.authenticate(made["credential"])
    assert (provider.name, provider.owner, provider.actor) == ("shop", "root", "provider:shop")
    other = {"name": "other", "audiences": ["A"], "owner": "zoe"}
    assert (await issuer.call("POST", "/providers", other, status=201))["owner"] == "zoe"
    shown = await issuer.call("GET", "/providers/shop", status=200)
    assert [item["name"] for item in (await issuer.call("GET", "/providers"))["items"]] == ["other", "shop"]
    assert shown["state"] == "active"
    assert "credential" not in shown


async def test_the_credential_is_stored_nowhere(issuer, tmp_path):
    """Not in the database, and not in the audit log."""
    secret = (await issuer.call("POST", "/providers", SHOP, headers=KEY, status=201))["credential"]
    assert all(secret.encode() not in path.read_bytes() for path in tmp_path.glob("remit.db*"))
    (record,) = await issuer.records(kind="provider.create")
    assert (record.actor, record.detail["what"]) == ("operator:root", "provider shop")


async def test_a_new_credential_ends_the_old_one(issuer):
    """At once."""
    old = (await issuer.call("POST", "/providers", SHOP, status=201))["credential"]
    new = (await issuer.call("POST", "/providers/shop/credential", {}, status=201))["credential"]
    assert (await issuer.services.providers.authenticate(new)).name == "shop"
    with pytest.raises(UnauthenticatedError):
        await issuer.services.providers.authenticate(old)
    (record,) = await issuer.records(kind="provider.rotate_credential")
    assert record.detail == {"what": "provider shop"}


async def test_a_repeated_registration_makes_the_secret_anew(issuer):
    """It is stored nowhere, so it cannot be answered again; the first one ends."""
    first = await issuer.call("POST", "/providers", SHOP, headers=KEY, status=201)
    again = await issuer.call("POST", "/providers", SHOP, headers=KEY, status=201)
    assert first["credential"] != again["credential"]
    with pytest.raises(UnauthenticatedError):
        await issuer.services.providers.authenticate(first["credential"])
    assert (await issuer.services.providers.authenticate(again["credential"])).name == "shop"


async def test_a_provider_that_is_stopped_is_nobody(issuer):
    """Neither suspended nor revoked is it known, and it gets no other credential; resumed it is."""
    secret = (await issuer.call("POST", "/providers", SHOP, status=201))["credential"]
    for state, code in ((State.SUSPENDED, "conflict"), (State.REVOKED, "retired_name")):
        await set_state(issuer, state)
        with pytest.raises(UnauthenticatedError):
            await issuer.services.providers.authenticate(secret)
        assert (await issuer.call("POST", "/providers/shop/credential", {}, status=409))["code"] == code
    await set_state(issuer, State.ACTIVE)
    assert (await issuer.services.providers.authenticate(secret)).name == "shop"


async def test_a_name_is_used_once(issuer):
    """Not while it is somebody's, and never after it was revoked."""
    await issuer.call("POST", "/providers", SHOP, status=201)
    assert (await issuer.call("POST", "/providers", SHOP, status=409))["code"] == "conflict"
    await set_state(issuer, State.REVOKED)
    assert (await issuer.call("POST", "/providers", SHOP, status=409))["code"] == "retired_name"


@pytest.mark.parametrize(
    "bent",
    [
        {"audiences": []},
        {"audiences": ["with blank"]},
        {"audiences": ["a"] * 65},
        {"name": ""},
        {"name": "a/b"},
        {"name": "a\n"},
        {"owner": "\x1b[2J"},
        {"more": 1},
    ],
    ids=str,
)
async def test_what_is_no_provider_is_refused(issuer, bent):
    """A provider has a name of one word, and 1 to 64 audiences without blanks."""
    assert (await issuer.call("POST", "/providers", SHOP | bent, status=400))["code"] == "malformed_request"


async def test_who_is_not_there_has_no_credential(issuer):
    """Nor is it shown."""
    assert (await issuer.call("POST", "/providers/nobody/credential", {}, status=404))["code"] == "not_found"
    await issuer.call("GET", "/providers/nobody", status=404)
