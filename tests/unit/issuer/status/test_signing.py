"""Signed status lists: what they say, how old they may be, and what they are signed with."""

import asyncio
import json

import pytest

from issuer.errors import NotFoundError
from issuer.keys import Purpose
from issuer.status.service import StatusLists
from issuer.status.signing import StatusSigner
from issuer.storage import StorageError
from remit.bundle import parse_jwks
from remit.statuslist import INVALID, VALID, StatusListToken
from tests.fakes.issuing import ISSUER, NOW, open_core, request

UID = "unix:uid:1000"
URI = f"{ISSUER}/statuslists/1"


class Dated:
    """The `Database` port with a clock that is set, and that can break."""

    def __init__(self, inner):
        self._inner = inner
        self.clock = NOW
        self.broken = False
        self.read, self.transaction, self.close = inner.read, inner.transaction, inner.close

    async def now(self):
        """The clock, unless the database is away."""
        if self.broken:
            raise StorageError("the database is away")
        return self.clock


@pytest.fixture
async def core(tmp_path):
    core = await open_core(tmp_path, wrap=Dated)
    await core.register("acme/planner", UID)
    yield core
    await core.database.close()


@pytest.fixture
def signer(core):
    return StatusSigner(core.database, core.statuses, core.keys, ISSUER)


async def verified(core, signer, number=1):

    keys = [key.jwk | {"kid": key.kid} for key in (await core.keys.published(Purpose.STATUS, now=NOW)).keys]
    token = (await signer.token(number)).encode()
    return StatusListToken.verify(token, keys=parse_jwks(json.dumps({"keys": keys}).encode()), uri=URI, now=NOW)


async def mark(core, value):
    async def work(tx):
        await tx.execute("UPDATE status_indexes SET value = $1", value)
        await tx.execute("UPDATE status_head SET seq = seq + 1")

    await core.database.transaction(work)


async def test_it_says_what_the_database_says(core, signer):
    """Every index of the list has a status; all but the marked ones are valid."""
    await core.issuance.issue([request(UID)])
    (row,) = await core.database.read(lambda tx: tx.fetch("SELECT idx FROM status_indexes"))
    assert (await verified(core, signer)).statuses.get(row["idx"]) == VALID
    await mark(core, INVALID)
    signed = await verified(core, signer)
    assert (signed.seq, signed.statuses.size) == (1, 1 << 17)
    assert [index for index in range(signed.statuses.size) if signed.statuses.get(index)] == [row["idx"]]


async def test_it_is_dated_by_the_database(core, signer):
    """`iat` is the database's clock; it expires soon."""
    core.database.clock = NOW + 2
    signed = await verified(core, signer)
    assert (signed.issued_at, signed.expires_at - signed.issued_at, signed.ttl_seconds) == (NOW + 2, 60, 1)


async def test_one_signature_serves_a_second(core, signer):
    """The same token within a second in which nothing changes, another one in the next."""
    first = await signer.token(1)
    assert await signer.token(1) == first
    core.database.clock += 1
    assert await signer.token(1) != first


class Counted(StatusLists):
    """Status lists that count how often one was read whole."""

    snapshots = 0

    async def snapshot(self, number):
        """Count, then read."""
        self.snapshots += 1
        return await super().snapshot(number)


async def test_a_list_is_packed_once_for_each_change(core):
    """Not for each second, nor for each of those who ask at the same time."""
    lists = Counted(core.database)
    signer = StatusSigner(core.database, lists, core.keys, ISSUER)
    await core.issuance.issue([request(UID)])
    for _ in range(3):
        core.database.clock += 1
        await asyncio.gather(*(signer.token(1) for _ in range(5)))
    assert lists.snapshots == 1
    await mark(core, INVALID)
    tokens = await asyncio.gather(*(signer.token(1) for _ in range(5)))
    assert (lists.snapshots, len(set(tokens))) == (2, 1)


async def test_a_list_with_more_marks_than_one_read_takes(core, signer):
    """Every one of them is in it, and nothing else."""
    marks = {index: 1 + index % 2 for index in range(0, 3 * 5000, 3)}

    async def work(tx):
        (row,) = await tx.fetch("SELECT id FROM grants")
        await tx.execute("DELETE FROM status_indexes")
        await tx.execute_many(
            "INSERT INTO status_indexes (list, idx, grant_id, value) VALUES (1, $1, $2, $3)",
            [(index, row["id"], value) for index, value in marks.items()],
        )
        await tx.execute("UPDATE status_head SET seq = seq + 1")

    await core.database.transaction(work)
    statuses = (await verified(core, signer)).statuses
    assert {index: statuses.get(index) for index in range(statuses.size) if statuses.get(index)} == marks


async def test_a_change_is_seen_at_once(core, signer):
    """Also within the same second."""
    await core.issuance.issue([request(UID)])
    before = await verified(core, signer)
    await mark(core, INVALID)
    assert (before.seq, (await verified(core, signer)).seq) == (0, 1)


async def test_a_bundle_that_changed_is_seen_at_once(core, signer):
    """Also within the same second, though no status did: who knows the older bundle has to read it anew."""
    before = await verified(core, signer)
    await core.keys.rotate(core.change, Purpose.TOKEN)
    after = await verified(core, signer)
    assert (after.bundle_seq, after.seq, after.issued_at) == (before.bundle_seq + 1, before.seq, before.issued_at)
    assert after.bundle_seq == (await core.keys.published(Purpose.TOKEN, now=NOW)).sequence


class Overtaken(StatusLists):
    """Status lists of which one changes while it is read."""

    core = None

    async def snapshot(self, number):
        """Taint a key and flip an index, then read."""
        await self.core.keys.rotate(self.core.change, Purpose.TOKEN)
        await mark(self.core, INVALID)
        return await super().snapshot(number)


async def test_a_list_claims_no_change_whose_bundle_it_does_not_know(core):
    """What was committed while the list was read may be in it; its number and bundle are those from before, both."""
    lists = Overtaken(core.database)
    lists.core = core
    signer = StatusSigner(core.database, lists, core.keys, ISSUER)
    before = (await core.keys.published(Purpose.TOKEN, now=NOW)).sequence
    signed = await verified(core, signer)
    assert (signed.seq, signed.bundle_seq) == (0, before)
    signed = await verified(core, signer)
    assert (signed.seq, signed.bundle_seq) == (1, before + 1)


async def test_without_the_database_nothing_is_signed(core, signer):
    """Not even what was signed a moment ago is handed out: nobody knows whether it still holds."""
    await signer.token(1)
    core.database.broken = True
    with pytest.raises(StorageError):
        await signer.token(1)


async def test_every_announced_list_exists(core, signer):
    """The one in use and the one after it, and no other."""
    assert await signer.announced() == [URI, f"{ISSUER}/statuslists/2"]
    await signer.token(2)
    with pytest.raises(NotFoundError):
        await signer.token(3)
