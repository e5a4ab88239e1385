"""Keys of accounts: registered by a proof, listed in the DID document, revoked."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from remit.dpop import create_proof
from remit.jose import public_jwk, thumbprint
from tests.fakes.admin_issuer import URL

PATH = "/accounts/acme/keys"


@pytest.fixture
async def registered(issuer):
    await issuer.register("acme/planner")
    await issuer.register("zeta/planner", account="zeta")
    return issuer


def proof_by(key, issuer, *, account="acme", method="POST", age=0):
    return create_proof(key, method, f"{URL}/v1/admin/accounts/{account}/keys", now=issuer.clock() // 1000 - age)


def new_key(curve=None):
    return ec.generate_private_key(curve or ec.SECP256R1())


async def add(issuer, key, status=201, **bent):
    return await issuer.call("POST", PATH, {"proof": proof_by(key, issuer, **bent)}, status=status)


async def document(issuer):
    return await (await issuer.client.get("/account/acme/did.json")).json(content_type=None)


async def test_an_account_may_have_several_keys(registered):
    """Each is in its DID document, with the history in order; registering one again changes nothing."""
    keys = [new_key(), new_key()]
    for key in keys:
        registered.clock.ms += 5000
        added = await add(registered, key)
        assert added["jkt"] == thumbprint(public_jwk(key))
    assert await add(registered, keys[1]) == added
    listed = (await registered.call("GET", PATH, status=200))["items"]
    assert [key["jwk"] for key in listed] == [public_jwk(key) for key in keys]
    methods = (await document(registered))["verificationMethod"]
    assert [method["publicKeyJwk"]["kid"] for method in methods] == [key["jkt"] for key in listed]
    kinds = [record.kind for record in await registered.records(account="acme") if "key" in record.kind]
    assert kinds == ["account_key.register"] * 2


async def test_a_revoked_key_leaves_the_document_for_good(registered):
    """It stays on the list, and is never registered again."""
    key = new_key()
    jkt = (await add(registered, key))["jkt"]
    registered.clock.ms += 5000
    ended = await registered.call("POST", f"{PATH}/{jkt}/revoke", {"reason": "lost"}, status=200)
    assert (ended["state"], ended["retired_at"]) == ("revoked", registered.clock() // 1000)
    assert "verificationMethod" not in await document(registered)
    assert await registered.call("POST", f"{PATH}/{jkt}/revoke", {"reason": "lost"}, status=200) == ended
    assert (await add(registered, key, status=409))["code"] == "conflict"
    (record,) = [record for record in await registered.records(account="acme") if record.kind == "account_key.revoke"]
    assert record.detail["reason"] == "lost"


async def test_a_key_is_one_account_s(registered):
    """Whoever can make a proof for another."""
    key = new_key()
    await add(registered, key)
    body = {"proof": proof_by(key, registered, account="zeta")}
    assert (await registered.call("POST", "/accounts/zeta/keys", body, status=409))["code"] == "conflict"
    jkt = thumbprint(public_jwk(key))
    await registered.call("POST", f"/accounts/zeta/keys/{jkt}/revoke", {"reason": "r"}, status=404)


@pytest.mark.parametrize("bent", [{"account": "zeta"}, {"method": "GET"}, {"age": 400}, {"age": -60}])
async def test_a_proof_is_for_this_account_and_these_minutes(registered, bent):
    """Another one proves nothing here."""
    assert (await add(registered, new_key(), status=401, **bent))["code"] == "proof_refused"


@pytest.mark.parametrize("proof", ["", "x", "a.b.c", "é"])
async def test_what_is_no_proof_is_refused(registered, proof):
    """And registers nothing."""
    await registered.call("POST", PATH, {"proof": proof}, status=401)
    assert (await registered.call("GET", PATH, status=200))["items"] == []


async def test_other_kinds_of_keys_are_refused(registered):
    """P-256, as agents' keys."""
    assert (await add(registered, new_key(ec.SECP384R1()), status=400))["code"] == "malformed_request"


async def test_a_revoked_account_gets_no_key(registered):
    """Its DID is deactivated."""
    await registered.call("POST", "/revoke", {"what": "account:acme", "reason": "r"}, status=200)
    assert (await add(registered, new_key(), status=409))["code"] == "conflict"


async def test_keys_of_nobody(registered):
    """There is no such account."""
    await registered.call("GET", "/accounts/nobody/keys", status=404)
    key = new_key()
    body = {"proof": proof_by(key, registered, account="nobody")}
    await registered.call("POST", "/accounts/nobody/keys", body, status=404)


async def test_an_account_s_keys_are_bounded(registered):
    """Each would be in every version of its history."""
    for _ in range(16):
        await add(registered, new_key())
    assert "revoke one" in (await add(registered, new_key(), status=409))["hint"]
