"""Secrets that issuers share: sealed in the database, under a key that is a file."""

import asyncio
import sqlite3
from base64 import b64decode
from contextlib import closing

import pytest

from issuer.keys.wrapping import SealedSecrets
from issuer.storage import SQLiteDatabase
from remit.errors import ConfigurationError


@pytest.fixture
async def database(tmp_path):
    database = SQLiteDatabase(tmp_path / "remit.db")
    yield database
    await database.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys" / "wrapping.key"


async def started(database, path):
    sealed = SealedSecrets(database, path)
    await sealed.start()
    return sealed


async def refused(database, path, code):
    with pytest.raises(ConfigurationError) as caught:
        await started(database, path)
    assert caught.value.code == code
    assert caught.value.hint


async def test_the_first_start_makes_a_private_key(database, path):
    """32 random bytes that only the owner reads."""
    await started(database, path)
    assert len(path.read_bytes()) == 32
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_secret_stays_the_same(database, path):
    """Drawn at its first use; a restart opens the same; each name has its own."""
    sealed = await started(database, path)
    secret = await sealed.get("webvh")
    assert len(secret) == 32
    again = await started(database, path)
    assert await again.get("webvh") == await sealed.get("webvh") == secret
    assert await again.get("pairwise") != secret


async def test_issuers_that_share_the_key_agree_on_a_secret(database, path):
    """However many ask for it first at the same moment."""
    issuers = [await started(database, path) for _ in range(8)]
    assert len(set(await asyncio.gather(*(issuer.get("webvh") for issuer in issuers)))) == 1


async def test_the_database_holds_no_secret(database, path, tmp_path):
    """What is stored is sealed."""
    secret = await (await started(database, path)).get("webvh")
    with closing(sqlite3.connect(tmp_path / "remit.db")) as copy:
        (stored,) = copy.execute("SELECT sealed FROM sealed_secrets").fetchone()
    assert secret not in b64decode(stored)
    assert path.read_bytes() not in (tmp_path / "remit.db").read_bytes()


async def test_a_secret_opens_under_its_own_name_only(database, path):
    """Somebody who writes to the database cannot make one secret pass for another."""
    await (await started(database, path)).get("webvh")
    await database.transaction(lambda tx: tx.execute("UPDATE sealed_secrets SET name = 'pairwise'"))
    await refused(database, path, "wrapping_key_wrong")


async def test_a_missing_key_is_made_anew_only_if_nothing_is_sealed(database, path):
    """Otherwise the issuer does not start: a new key would open nothing."""
    sealed = await started(database, path)
    path.unlink()
    await started(database, path)
    path.unlink()
    sealed = await started(database, path)
    await sealed.get("webvh")
    path.unlink()
    await refused(database, path, "key_missing")
    assert not path.exists()


async def test_another_key_is_refused_at_start(database, path):
    """The key of another installation."""
    await (await started(database, path)).get("webvh")
    path.write_bytes(bytes(32))
    await refused(database, path, "wrapping_key_wrong")


async def test_an_issuer_with_a_key_of_its_own_cannot_share(database, path, tmp_path):
    """Two issuers made apart on one database: the second to need a secret says what is wrong."""
    first, second = await started(database, path), await started(database, tmp_path / "other" / "wrapping.key")
    await first.get("webvh")
    with pytest.raises(ConfigurationError, match="not sealed with the wrapping key"):
        await second.get("webvh")


@pytest.mark.parametrize(("content", "mode", "code"), [(bytes(31), 0o600, "key_damaged"), (bytes(32), 0o640, None)])
async def test_a_key_file_that_is_damaged_or_open_to_others_is_refused(database, path, content, mode, code):
    """As any private key."""
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(mode)
    await refused(database, path, code or "invalid_configuration")
