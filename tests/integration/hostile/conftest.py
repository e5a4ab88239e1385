"""One real issuer process for each module."""

import pytest

from tests.fakes.ground import Ground, check_log
from tests.fakes.issuer_process import initialize, running


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """An issuer with a registry; at the end it still answers, and its log tells of no defect."""
    environment = {"REMIT_HTTP__REQUEST_SECONDS": "2"}
    with running(initialize(tmp_path_factory.mktemp("hostile") / "data"), environment=environment) as issuer:
        yield Ground(issuer)
        assert issuer.http.get("/healthz/ready").status_code == 200
        check_log(issuer)
        assert issuer.stop() == 0
