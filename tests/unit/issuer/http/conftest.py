"""An issuer's operator routes for each test."""

import pytest

from tests.fakes.admin_issuer import running


@pytest.fixture
async def issuer(tmp_path):
    async with running(tmp_path) as issuer:
        yield issuer
