"""An enforcement for each test."""

import pytest

from tests.fakes.enforcing import enforcing


@pytest.fixture
async def issuer(tmp_path):
    async with enforcing(tmp_path) as issuer:
        yield issuer
