"""`/openapi.json`: complete, nothing made up, and the copy in the documentation current."""

import re
from pathlib import Path

import pytest

from attestors.http_client import AiohttpClient
from issuer.app import open_services
from issuer.config import Config
from issuer.http.openapi.document import document
from issuer.http.openapi.reference import EXAMPLE_URL, reference
from issuer.http.server import make_app
from issuer.storage import SQLiteDatabase

_DOCUMENT = Path(__file__).parents[4] / "docs/reference/openapi.json"


@pytest.fixture
async def app(tmp_path):
    (tmp_path / "keys").mkdir(mode=0o700)
    config = Config(trust_domain="example.org", public_url=EXAMPLE_URL, data_dir=str(tmp_path))
    database = SQLiteDatabase(config.database_path)
    async with AiohttpClient() as client:
        yield make_app(await open_services(config, database, client))
    await database.close()


@pytest.fixture(scope="module")
def described():
    return document(EXAMPLE_URL)


async def test_every_route_is_described_and_no_other(app, described):
    """HEAD goes with each GET, and is not told of one by one."""
    served = {(route.resource.canonical, route.method) for route in app.router.routes()}
    told = {(path, method.upper()) for path, methods in described["paths"].items() for method in methods}
    assert {(path, method) for path, method in served if method != "HEAD"} == told
    assert {path for path, method in served if method == "HEAD"} == {path for path, method in told if method == "GET"}


def test_the_reference_is_current():
    """`python -m issuer.http.openapi > docs/reference/openapi.json` writes it."""
    assert _DOCUMENT.read_text() == reference()


def test_every_reference_leads_somewhere(described):
    """And every schema is used."""
    for kind in ("schemas", "responses"):
        used = set(re.findall(rf'"#/components/{kind}/([^"]+)"', reference()))
        assert used == set(described["components"][kind])


def test_what_takes_a_body_says_which(described):
    """Every POST does, nothing else; what changes something takes an Idempotency-Key."""
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert ("requestBody" in operation) == (method == "post"), path
            keyed = any(parameter["name"] == "Idempotency-Key" for parameter in operation["parameters"])
            changes = path.startswith("/v1/admin/") and method != "get" and path != "/v1/admin/resolve"
            assert keyed == changes, path


def test_fields_that_are_passed_on_undecoded_are_described(described):
    """A spend scope is one wherever it stands."""
    schemas = described["components"]["schemas"]
    scope = {"$ref": "#/components/schemas/ScopeWire"}
    assert schemas["NewGrant"]["properties"]["scope"] == scope
    assert schemas["Wanted"]["properties"]["authorization_details"]["items"] == scope
    assert schemas["ScopeWire"]["additionalProperties"] is False


def test_secrets_of_operators_are_asked_for_where_they_are_needed(described):
    """Public operations ask for nothing, all others for something."""
    for path, methods in described["paths"].items():
        for operation in methods.values():
            guarded = path.startswith(("/v1/", "/status/verifiers", "/revoke", "/introspect")) or path == "/metrics"
            assert bool(operation["security"]) == guarded, path
