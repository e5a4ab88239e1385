"""DIDs over HTTP: documents, histories, and the resolver."""

import pytest
from yarl import URL

from remit.ids import DID
from remit.webvh import verify_history
from remit.webvh.entry import time_text
from tests.fakes.histories import resolve_independently

WEB = "did:web:issuer.example.org:account:acme:agent:planner"
PLANNER = "/account/acme/agent/planner"
RESULT = "application/did-resolution"


@pytest.fixture
async def registered(issuer):
    await issuer.register("acme/planner", "acme/planner/sub/reader")
    return issuer


async def fetched(issuer, path, status=200, **headers):
    response = await issuer.client.get(URL(path, encoded=True), headers=headers)
    assert response.status == status, await response.text()
    return response


async def webvh_of(issuer, path=PLANNER):
    document = await (await fetched(issuer, f"{path}/did.json")).json(content_type=None)
    return next(name for name in document["alsoKnownAs"] if name.startswith("did:webvh:"))


async def resolved(issuer, did, status=200, *, query="", accept=RESULT):
    response = await fetched(issuer, f"/1.0/identifiers/{did}{query}", status, Accept=accept)
    return await response.json(content_type=None)


async def stop(issuer, verb, what):
    await issuer.call("POST", f"/{verb}", {"what": what, "reason": "a test"}, status=200)


async def test_a_history_is_lines_that_others_verify(registered):
    """As text/jsonl, beside the document; it may be kept for a minute."""
    response = await fetched(registered, f"{PLANNER}/did.jsonl")
    assert response.content_type == "text/jsonl"
    assert response.headers["Cache-Control"] == "public, max-age=60"
    log = await response.text()
    history = verify_history(log, now=registered.clock() // 1000, did=await webvh_of(registered))
    assert (await resolve_independently(history.did, log)).document == history.versions[-1].document


async def test_each_has_its_own_history(registered):
    """Accounts, agents, sub-agents."""
    paths = ["/account/acme", PLANNER, f"{PLANNER}/sub/reader"]
    dids = [DID.parse(await webvh_of(registered, path)) for path in paths]
    assert [did.subject for did in dids] == ["acme", "acme/planner", "acme/planner/sub/reader"]
    assert len({did.scid for did in dids}) == 3


async def test_what_was_revoked_is_gone_and_its_history_stays(registered):
    """410 with what is left of the document; without a history there is a problem document."""
    await fetched(registered, f"{PLANNER}/did.jsonl")
    registered.clock.ms += 5000
    await stop(registered, "revoke", "acme/planner")
    response = await fetched(registered, f"{PLANNER}/did.json", 410)
    assert (await response.json(content_type=None)).keys() == {"@context", "id"}
    assert response.content_type == "application/did+json"
    log = await (await fetched(registered, f"{PLANNER}/did.jsonl")).text()
    assert verify_history(log, now=registered.clock() // 1000).versions[-1].deactivated
    response = await fetched(registered, f"{PLANNER}/sub/reader/did.jsonl", 410)
    assert (await response.json(content_type=None))["code"] == "deactivated"


async def test_resolving_a_did_web(registered):
    """The document, when it was last changed, and the version of the history that it is from."""
    result = await resolved(registered, WEB)
    assert result["didDocument"] == await (await fetched(registered, f"{PLANNER}/did.json")).json(content_type=None)
    assert result["didResolutionMetadata"] == {"contentType": "application/did"}
    assert result["didDocumentMetadata"].keys() == {"versionId", "versionTime", "created", "updated", "deactivated"}


async def test_resolving_versions(registered):
    """By id, by time, the last; each tells of the next."""
    did = await webvh_of(registered)
    start = registered.clock() // 1000
    for seconds, verb in ((10, "suspend"), (10, "resume")):
        registered.clock.ms += seconds * 1000
        await stop(registered, verb, "acme/planner")
    log = await (await fetched(registered, f"{PLANNER}/did.jsonl")).text()
    first, second, third = verify_history(log, now=start + 100).versions
    last = await resolved(registered, did)
    assert last["didDocument"] == third.document
    assert last["didDocumentMetadata"]["scid"] == DID.parse(did).scid
    assert "nextVersionId" not in last["didDocumentMetadata"]
    by_id = await resolved(registered, did, query=f"?versionId={first.version_id}")
    assert by_id["didDocument"] == first.document
    assert by_id["didDocumentMetadata"]["nextVersionId"] == second.version_id
    by_time = await resolved(registered, did, query=f"?versionTime={time_text(second.at + 9)}")
    assert by_time["didDocument"] == second.document
    assert by_time["didDocumentMetadata"]["versionTime"] == time_text(second.at)


async def test_resolving_what_was_deactivated(registered):
    """410 with the result; a version from before is still there."""
    did = await webvh_of(registered)
    registered.clock.ms += 5000
    await stop(registered, "revoke", "acme")
    for name in (did, WEB):
        result = await resolved(registered, name, 410)
        assert result["didDocumentMetadata"]["deactivated"] is True
        assert result["didDocument"].keys() == {"@context", "id"}
    log = await (await fetched(registered, f"{PLANNER}/did.jsonl")).text()
    first = verify_history(log, now=registered.clock() // 1000).versions[0]
    before = await resolved(registered, did, query=f"?versionId={first.version_id}")
    assert before["didDocumentMetadata"]["deactivated"] is False


async def test_a_whole_did_may_be_percent_encoded(registered):
    """RFC 3986; a DID's own %3A is not touched where it comes as it is."""
    encoded = WEB.replace(":", "%3A")
    assert (await resolved(registered, encoded))["didDocument"]["id"] == WEB


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", RESULT),
        (RESULT, RESULT),
        ("application/did", "application/did"),
        ("application/did+json", "application/did+json"),
        ("text/html, application/did+ld+json;q=0.5, */*;q=0.1", "application/did+ld+json"),
        ("application/did;q=0, application/did-resolution;profile=x", RESULT),
    ],
)
async def test_the_client_chooses_the_representation(registered, accept, media_type):
    """The result with its metadata, or the document alone."""
    response = await fetched(registered, f"/1.0/identifiers/{WEB}", Accept=accept)
    assert response.content_type == media_type
    answer = await response.json(content_type=None)
    assert ("didDocument" in answer) == (media_type == RESULT)


SCID = "QmdmPkUdYzbr9txmx8gM2rsHPgr5L6m3gHjJGAf4vUFoGE"


@pytest.mark.parametrize(
    ("did", "status", "error"),
    [
        ("planner", 400, "invalidDid"),
        ("did:web", 400, "invalidDid"),
        ("did:web:", 400, "invalidDid"),
        ("did:Web:a.example", 400, "invalidDid"),
        ("did:web:a.example%23key", 404, "notFound"),
        ("did:web:a.example%2523", 404, "notFound"),
        ("did:web:%zz", 400, "invalidDid"),
        ("did%3Aweb%3Aissuer.example.org%3Aaccount%3Aacme%3FversionId%3D1", 400, "invalidDid"),
        ("did:web:issuer.example.org:account:acme/did.json", 400, "invalidDid"),
        ("did:web:issuer.example.org:account:nobody", 404, "notFound"),
        ("did:web:issuer.example.org", 404, "notFound"),
        ("did:web:other.example.org:account:acme", 404, "notFound"),
        ("did:web:issuer.example.org%3A8443:account:acme", 404, "notFound"),
        (f"did:webvh:{SCID}:issuer.example.org:account:acme", 404, "notFound"),
        ("did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", 501, "methodNotSupported"),
        ("did:web:" + "a" * 3000, 404, "notFound"),
    ],
)
async def test_what_is_not_resolved(registered, did, status, error):
    """Nothing is fetched from anywhere; the refusal has the form of a result."""
    result = await resolved(registered, did, status)
    assert result["didResolutionMetadata"]["error"] == error
    assert result["didResolutionMetadata"]["problemDetails"]["detail"]
    assert (result["didDocument"], result["didDocumentMetadata"]) == (None, {})


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("?versionTime=yesterday", 400, "invalidOptions"),
        ("?versionTime=2000-01-01T00:00:00Z", 404, "notFound"),
        ("?versionId=1-x", 404, "notFound"),
        ("?surprise=1", 400, "invalidOptions"),
        ("?versionId=1&versionId=2", 400, "invalidOptions"),
    ],
)
async def test_options_that_lead_nowhere(registered, query, status, error):
    """Unknown, malformed, or before there was anything."""
    result = await resolved(registered, await webvh_of(registered), status, query=query)
    assert result["didResolutionMetadata"]["error"] == error


async def test_a_did_web_has_no_versions(registered):
    """Ask for the did:webvh."""
    result = await resolved(registered, WEB, 400, query="?versionTime=2030-01-01T00:00:00Z")
    assert result["didResolutionMetadata"]["error"] == "invalidOptions"


@pytest.mark.parametrize("accept", ["text/html", "application/json", "", "application/did;q=x"])
async def test_other_representations_are_not_there(registered, accept):
    """406, and in the form that there is."""
    result = await resolved(registered, WEB, 406, accept=accept)
    assert result["didResolutionMetadata"]["error"] == "representationNotSupported"


async def test_an_operator_may_paste_a_did_webvh(registered):
    """It means the agent whose history it certifies, and nothing under another SCID."""
    did = await webvh_of(registered)
    resolved_words = await registered.call("POST", "/resolve", {"what": did}, status=200)
    assert (resolved_words["kind"], resolved_words["id"]) == ("agent", "acme/planner")
    other = did.replace(DID.parse(did).scid, SCID)
    await registered.call("POST", "/revoke", {"what": other, "reason": "r"}, status=404)
    unread = f"did:webvh:{SCID}:issuer.example.org:account:acme:agent:planner:sub:reader"
    await registered.call("POST", "/revoke", {"what": unread, "reason": "r"}, status=404)
