"""DID documents of accounts and agents."""

import pytest

from issuer.did.model import parse_subject
from issuer.did.service import DeactivatedError
from issuer.errors import NotFoundError
from remit.ids import DID
from tests.fakes.histories import HOST, ISSUER, new_jwk, open_histories, open_registry, set_key, set_state, settle
from tests.fakes.issuing import NOW

PLANNER = parse_subject("acme/planner")
SEARCH = parse_subject("acme/planner/sub/search")
ACME = parse_subject("acme")
WEB = "did:web:issuer.example.org:account:acme:agent:planner"


@pytest.fixture
async def core(tmp_path):
    core = await open_registry(tmp_path)
    await core.register("acme/planner", "acme/planner/sub/search")
    yield core
    await core.database.close()


@pytest.fixture
async def dids(core, tmp_path):
    return await open_histories(core, tmp_path)


def service_named(document, name):
    (service,) = (service for service in document["service"] if service["id"].endswith(f"#{name}"))
    return service


async def test_an_agent_is_controlled_by_its_account(dids):
    """Identifier, controller, other names, and where its tokens can be checked; no key of the issuer."""
    document = await dids.document(PLANNER)
    webvh, spiffe_id = document["alsoKnownAs"]
    assert document["id"] == WEB
    assert document["controller"] == "did:web:issuer.example.org:account:acme"
    assert spiffe_id == "spiffe://example.org/account/acme/agent/planner"
    assert DID.parse(webvh).subject == "acme/planner"
    assert DID.parse(webvh).scid
    assert service_named(document, "issuer") == {
        "id": f"{WEB}#issuer",
        "type": "RemitIssuer",
        "serviceEndpoint": ISSUER,
    }
    assert "verificationMethod" not in document


async def test_an_account_controls_itself(dids):
    """In both documents, under the name that the document has."""
    document = await dids.document(ACME)
    assert document["controller"] == document["id"] == "did:web:issuer.example.org:account:acme"


async def test_a_sub_agent_has_its_own(dids):
    """Its identifier leads to where the document is served; its controller is the account."""
    document = await dids.document(SEARCH)
    url = DID.parse(document["id"]).document_url()
    assert url == f"{ISSUER}/account/acme/agent/planner/sub/search/did.json"
    assert document["controller"] == "did:web:issuer.example.org:account:acme"


async def test_the_services_that_did_webvh_implies_are_written_out(dids):
    """did:webvh 1.0, Publishing a Parallel did:web DID, step 2."""
    document = await dids.document(PLANNER)
    assert service_named(document, "files")["serviceEndpoint"] == f"{ISSUER}/account/acme/agent/planner/"
    assert service_named(document, "whois")["serviceEndpoint"].endswith("/account/acme/agent/planner/whois.vp")


@pytest.mark.parametrize("subject", [PLANNER, ACME])
async def test_keys_of_the_subject_are_listed(core, dids, subject):
    """The active one, for authentication and for assertions; what it replaced is only in the history."""
    for second in range(2):
        core.clock.now = NOW + second
        jwk, jkt = new_jwk()
        await set_key(core, str(subject), jwk, jkt)
    document = await dids.document(subject)
    key_id = f"{document['id']}#{jkt}"
    assert document["verificationMethod"] == [
        {"id": key_id, "type": "JsonWebKey", "controller": document["id"], "publicKeyJwk": {**jwk, "kid": jkt}}
    ]
    assert document["authentication"] == document["assertionMethod"] == [key_id]


@pytest.mark.parametrize("above", ["acme/planner/sub/search", "acme/planner", "acme"])
async def test_what_is_suspended_keeps_its_keys_and_may_use_them_for_nothing(core, dids, above):
    """Whether it or something above it is suspended; resuming restores it."""
    jwk, jkt = new_jwk()
    await set_key(core, str(SEARCH), jwk, jkt)
    before = await dids.document(SEARCH)
    core.clock.now += 5
    await set_state(core, above, "suspended")
    document = await dids.document(SEARCH)
    assert service_named(document, "state")["serviceEndpoint"] == {"state": "suspended"}
    assert len(document["verificationMethod"]) == 1
    assert document["authentication"] == document["assertionMethod"] == []
    core.clock.now += 5
    await set_state(core, above, "active")
    assert await dids.document(SEARCH) == before


async def test_the_document_does_not_wait_for_its_history(core, dids):
    """Within one second a history has one version; the document says at once what is so."""
    await dids.document(PLANNER)
    await set_state(core, "acme/planner", "suspended")
    assert service_named(await dids.document(PLANNER), "state")["serviceEndpoint"] == {"state": "suspended"}


async def test_a_port_is_escaped(core, tmp_path):
    """did:web writes the colon as %3A, in both names."""
    document = await (await open_histories(core, tmp_path, host="localhost:8750")).document(ACME)
    assert document["id"] == "did:web:localhost%3A8750:account:acme"
    assert document["alsoKnownAs"][0].endswith(":localhost%3A8750:account:acme")


@pytest.mark.parametrize("revoked", ["acme", "acme/planner", "acme/planner/sub/search"])
async def test_what_was_revoked_is_deactivated(core, dids, revoked):
    """Itself, an ancestor, or the account; what is left of the document names nobody's keys."""
    await set_state(core, revoked, "revoked")
    with pytest.raises(DeactivatedError) as caught:
        await dids.document(SEARCH)
    assert caught.value.document.keys() == {"@context", "id"}
    await settle(dids, core)


@pytest.mark.parametrize("name", ["acme/nobody", "nobody/planner", "nobody"])
async def test_there_is_none_for_nobody(dids, core, name):
    """And asking leaves nothing behind."""
    for read in (dids.document, dids.history):
        with pytest.raises(NotFoundError):
            await read(parse_subject(name))
    assert not await core.database.read(lambda tx: tx.fetch("SELECT 1 FROM did_log"))


async def test_an_ip_address_has_no_did(core, tmp_path):
    """did:web needs a host name; the hint says which to use."""
    dids = await open_histories(core, tmp_path, host="127.0.0.1:8750")
    for read in (dids.document, dids.history):
        with pytest.raises(NotFoundError) as caught:
            await read(ACME)
        assert "localhost" in (caught.value.hint or "")


async def test_issuers_that_share_the_database_write_the_same_documents(core, dids, tmp_path):
    """The history that one began, another goes on with."""
    other = await open_histories(core, tmp_path, host=HOST)
    assert await other.document(PLANNER) == await dids.document(PLANNER)
