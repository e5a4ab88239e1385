"""The token endpoint while the database is away: OAuth's shape, whatever fails."""

from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient, TestServer

from attestors.base import Appraisal, Attestor, Origin
from attestors.errors import EvidenceRefusedError
from issuer.attestation import AttestationService
from issuer.http.server import make_app

FORM = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token_type": "urn:remit:token-type:badge",
    "audience": "https://api.example.com",
}


class Badge(Attestor):
    """Takes evidence whose token is good."""

    name = "badge"
    origins = frozenset({Origin.DIRECT})
    selector_types = frozenset({"badge"})

    async def _appraise(self, evidence, context):
        if b"good" not in evidence:
            raise EvidenceRefusedError("the badge is not good")
        return Appraisal(frozenset({"badge:holder:ana"}), "ana")


@pytest.fixture
async def client(issuer):
    """A client of an issuer that takes badges."""
    attestation = AttestationService(issuer.services.database, {"badge": Badge()})
    async with TestClient(TestServer(make_app(replace(issuer.services, attestation=attestation)))) as client:
        yield client


@pytest.mark.parametrize(
    ("badge", "status", "error", "code"),
    [
        ("good", 503, "temporarily_unavailable", "storage_unavailable"),
        ("forged", 400, "invalid_request", "evidence_refused"),
    ],
)
async def test_a_database_that_takes_nothing_is_told_in_oauths_shape(issuer, client, badge, status, error, code):
    """Nothing is issued; a refusal that cannot be recorded is a refusal all the same."""
    await issuer.services.database.transaction(lambda tx: tx.execute("DROP TABLE audit"))
    response = await client.post("/token", data=FORM | {"subject_token": badge})
    answer = await response.json()
    assert response.status == status, answer
    assert (answer["error"], answer["code"], "access_token" in answer) == (error, code, False)
