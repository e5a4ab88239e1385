"""DID documents of accounts and agents."""

import pytest

from issuer.did import DIDService
from issuer.did.service import DeactivatedError
from issuer.errors import NotFoundError
from remit.ids import DID, TrustDomain
from tests.fakes.issuing import ISSUER, open_core

HOST = "issuer.example.org"


@pytest.fixture
async def core(tmp_path):
    core = await open_core(tmp_path)
    await core.register("acme/planner")
    await core.register("acme/planner/sub/search")
    yield core
    await core.database.close()


def service(core, host=HOST):
    return DIDService(core.database, issuer=ISSUER, host=host, trust_domain=TrustDomain("example.org"))


async def execute(core, sql):
    await core.database.transaction(lambda tx: tx.execute(sql))


async def test_an_agent_is_controlled_by_its_account(core):
    """Identifier, controller, and where its tokens can be checked; no key of the issuer."""
    document = await service(core).agent("acme", "planner")
    assert document == {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": "did:web:issuer.example.org:account:acme:agent:planner",
        "controller": "did:web:issuer.example.org:account:acme",
        "alsoKnownAs": ["spiffe://example.org/account/acme/agent/planner"],
        "service": [
            {
                "id": "did:web:issuer.example.org:account:acme:agent:planner#issuer",
                "type": "RemitIssuer",
                "serviceEndpoint": ISSUER,
            }
        ],
    }


async def test_a_sub_agent_has_its_own(core):
    """Its identifier leads to where the document is served."""
    document = await service(core).agent("acme", "planner/sub/search")
    url = DID.parse(document["id"]).document_url()
    assert url == f"{ISSUER}/account/acme/agent/planner/sub/search/did.json"


async def test_a_port_is_escaped(core):
    """did:web writes the colon as %3A."""
    assert (await service(core, "localhost:8750").account("acme"))["id"] == "did:web:localhost%3A8750:account:acme"


@pytest.mark.parametrize("table", ["accounts", "agents"])
async def test_what_was_revoked_is_deactivated(core, table):
    """Itself, an ancestor, or the account."""
    await execute(core, f"UPDATE {table} SET state = 'revoked' WHERE id = 1")
    with pytest.raises(DeactivatedError):
        await service(core).agent("acme", "planner/sub/search")


async def test_suspension_is_not_deactivation(core):
    """A DID names; whether a token is good is the status list's business."""
    await execute(core, "UPDATE agents SET state = 'suspended'")
    assert (await service(core).agent("acme", "planner"))["id"]


@pytest.mark.parametrize(("account", "path"), [("acme", "nobody"), ("nobody", "planner"), ("..", "x"), ("acme", "a/b")])
async def test_there_is_none_for_nobody(core, account, path):
    """Unknown names and names that cannot be look the same."""
    with pytest.raises(NotFoundError):
        await service(core).agent(account, path)


async def test_an_ip_address_has_no_did(core):
    """did:web needs a host name; the hint says which to use."""
    with pytest.raises(NotFoundError) as caught:
        await service(core, "127.0.0.1:8750").account("acme")
    assert "localhost" in (caught.value.hint or "")
