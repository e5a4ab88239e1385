"""Tainting signing keys: at once, without an outage, and whatever the key was in its life."""

import pytest

from issuer.audit.model import AuditQuery
from issuer.audit.service import AuditLog
from issuer.authority.model import Stop, Verb
from issuer.changes import Change, Once
from issuer.errors import ConflictError, NotAllowedError, NotFoundError
from issuer.keys import KeyPolicy, KeyService, Phase, Purpose
from issuer.keys.files import KeyFiles
from issuer.registry.operators import register_first_operator, register_operator
from issuer.registry.requests import NewOperator
from issuer.registry.roles import Operator, Role
from issuer.status.service import StatusLists
from issuer.storage import SQLiteDatabase
from tests.fakes.authority import authority_over

NOW = 1_800_000_000
ANA = Operator(name="ana", role=Role.ADMIN)
POLICY = KeyPolicy(instance="issuer-1", prepare_seconds=100, overlap_seconds=305)
WHY = "the machine was broken into"


class Issuer:
    """Keys, and the authority to stop them."""

    def __init__(self, database, folder):
        self.database = database
        self.folder = folder / "keys"
        self.told = 0
        self.keys = KeyService(database, KeyFiles(self.folder), POLICY)
        self.authority = authority_over(database, lambda: NOW * 1000, keys=self.keys, changed=self.tell)

    def tell(self):
        """What those who listen hear."""
        self.told += 1

    async def taint(self, kid, *, now=NOW, verb=Verb.REVOKE, operator=ANA, once=None):
        """Do `verb` to a key."""
        return await self.authority.stop(Change(operator, now * 1000, once), verb, Stop(f"key:{kid}", WHY))

    async def rotate(self, now=NOW, purpose=Purpose.TOKEN):
        """Prepare the next key; returns its kid."""
        return (await self.keys.rotate(Change(ANA, now * 1000), purpose)).prepared.kid

    def kid(self, now=NOW, purpose=Purpose.TOKEN):
        """The key that signs."""
        return self.keys.signer(purpose, now=now).key.kid

    async def published(self, now=NOW, purpose=Purpose.TOKEN):
        """The kids that consumers are to trust."""
        return [key.kid for key in (await self.keys.published(purpose, now=now)).keys]

    def files(self):
        """The kids whose private halves are on disk."""
        return {file.stem for file in self.folder.iterdir()}

    async def change(self):
        """The newest change of status."""
        return await self.database.read(lambda tx: tx.fetch_row("SELECT * FROM status_changes ORDER BY seq DESC"))


@pytest.fixture
async def issuer(tmp_path):
    database = SQLiteDatabase(tmp_path / "remit.db")
    await database.transaction(lambda tx: register_first_operator(tx, ANA.name, 0))
    issuer = Issuer(database, tmp_path)
    await issuer.keys.start(now=NOW)
    yield issuer
    await database.close()


async def test_without_a_successor_one_is_made_and_signs_at_once(issuer):
    """There is no moment without a key; the tainted one is neither published nor on disk when the operator is answered."""
    old, status = issuer.kid(), issuer.kid(purpose=Purpose.STATUS)
    stopped = await issuer.taint(old)
    new = issuer.kid()
    assert new != old
    assert await issuer.published() == [new]
    assert issuer.files() == {new, status}
    assert (stopped.resolved.kind, stopped.resolved.id, stopped.resolved.state) == ("key", old, "revoked")
    assert (stopped.seq, issuer.told) == (1, 1)


async def test_a_prepared_successor_signs_at_once(issuer):
    """Verifiers know it already; no third key comes into the world."""
    old = issuer.kid()
    new = await issuer.rotate()
    await issuer.taint(old, now=NOW + 1)
    assert issuer.kid(NOW + 1) == new
    assert await issuer.published(NOW + 1) == [new]
    assert len((await issuer.keys.all()).keys) == 3
    assert await issuer.rotate(NOW + 2) not in (old, new)


async def test_a_tainted_prepared_key_undoes_its_rotation(issuer):
    """The active key signs on, and does not retire: its successor never comes."""
    old = issuer.kid()
    new = await issuer.rotate()
    await issuer.taint(new, now=NOW + 1)
    for now in (NOW + 1, NOW + 100, NOW + 10_000):
        assert (issuer.kid(now), await issuer.published(now)) == (old, [old])
    assert new not in issuer.files()


async def test_a_tainted_retiring_key_changes_nothing_else(issuer):
    """Its successor signs already."""
    old = issuer.kid()
    new = await issuer.rotate()
    await issuer.taint(old, now=NOW + 150)
    assert (issuer.kid(NOW + 150), await issuer.published(NOW + 150)) == (new, [new])


async def test_a_retired_key_is_tainted_without_a_word(issuer):
    """Nobody trusts it any more, so nobody has to hear of it."""
    old = issuer.kid()
    await issuer.rotate()
    assert (await issuer.taint(old, now=NOW + 1000)).seq == 0
    assert (await issuer.keys.all()).find(old).revoked


async def test_a_tainted_key_whose_successor_retires_never_signs_again(issuer):
    """Not even when the one after it is tainted too: the one before is on its way out."""
    first = issuer.kid()
    second = await issuer.rotate()
    await issuer.taint(second, now=NOW + 150)
    assert issuer.kid(NOW + 150) not in (first, second)
    assert await issuer.published(NOW + 1000) == [issuer.kid(NOW + 1000)]


async def test_tainting_again_and_again(issuer):
    """Also within one second there is always exactly one key, and each sequence is higher than the one before."""
    seen = [(await issuer.keys.published(Purpose.TOKEN, now=NOW)).sequence]
    for _ in range(4):
        await issuer.taint(issuer.kid())
        assert await issuer.published() == [issuer.kid()]
        seen.append((await issuer.keys.published(Purpose.TOKEN, now=NOW)).sequence)
    assert seen == sorted(set(seen))


@pytest.mark.parametrize("purpose", Purpose)
async def test_the_change_names_the_key(issuer, purpose):
    """Verifiers drop it by name, of either purpose; the sequence of what is published rises."""
    before = await issuer.keys.published(purpose, now=NOW)
    kid = issuer.kid(purpose=purpose)
    await issuer.taint(kid)
    change = await issuer.change()
    assert (change["verb"], change["what"], change["keys"]) == ("revoke", f"key {kid}", f'["{kid}"]')
    assert (change["marks"], change["lists"], change["requested_at_ms"]) == ("[]", "[]", NOW * 1000)
    assert (await issuer.keys.published(purpose, now=NOW)).sequence > before.sequence
    assert await StatusLists(issuer.database).head() == 1


async def test_a_taint_is_audited(issuer):
    """Who, why, and which key took over."""
    old = issuer.kid()
    await issuer.taint(old)
    (record,) = await AuditLog(issuer.database).query(AuditQuery(kind="revoke"))
    assert (record.actor, record.detail["what"], record.detail["reason"]) == ("operator:ana", f"key {old}", WHY)
    assert (record.detail["state_before"], record.detail["successor"]) == (Phase.ACTIVE, issuer.kid())


async def test_tainting_twice_changes_nothing_more(issuer):
    """Neither with another request nor with the same Idempotency-Key; no file is left over."""
    once = Once("POST /v1/admin/revoke", "k", "d")
    old = issuer.kid()
    first = await issuer.taint(old, once=once)
    kid, files = issuer.kid(), issuer.files()
    assert await issuer.taint(old, once=once) == first
    assert (await issuer.taint(old)).seq == first.seq
    assert (issuer.kid(), issuer.files()) == (kid, files)


@pytest.mark.parametrize("verb", [Verb.SUSPEND, Verb.RESUME])
async def test_a_key_is_never_suspended(issuer, verb):
    """What it signed meanwhile would come back to life."""
    with pytest.raises(ConflictError):
        await issuer.taint(issuer.kid(), verb=verb)
    assert await issuer.change() is None


async def test_only_admins_taint(issuer):
    """An operator may not; nothing has happened."""
    bob = Operator(name="bob", role=Role.OPERATOR)
    wanted = NewOperator(name="bob", role=Role.OPERATOR)
    await issuer.database.transaction(lambda tx: register_operator(tx, Change(ANA, 0), wanted))
    kid, files = issuer.kid(), issuer.files()
    with pytest.raises(NotAllowedError):
        await issuer.taint(kid, operator=bob)
    assert (issuer.kid(), issuer.files()) == (kid, files)


async def test_a_key_that_is_not_there_is_not_found(issuer):
    """And leaves no file behind."""
    files = issuer.files()
    with pytest.raises(NotFoundError):
        await issuer.taint("no-such-key")
    assert issuer.files() == files


async def test_a_restart_removes_what_a_crash_left(issuer, tmp_path):
    """Its row says that it is tainted; the file, which a crash left, goes at the next start."""
    old = issuer.kid()
    private = (issuer.folder / f"{old}.pem").read_bytes()
    await issuer.taint(old)
    (issuer.folder / f"{old}.pem").write_bytes(private)
    again = KeyService(issuer.database, KeyFiles(issuer.folder), POLICY)
    await again.start(now=NOW)
    assert old not in issuer.files()
    assert again.signer(Purpose.TOKEN, now=NOW).key.kid == issuer.kid()


async def test_the_key_of_another_issuer(issuer, tmp_path):
    """It is published no more; that issuer makes another one when it starts, and this one's own goes on."""
    other = KeyService(issuer.database, KeyFiles(tmp_path / "other"), KeyPolicy("issuer-2", 100, 305))
    await other.start(now=NOW)
    theirs, mine = other.signer(Purpose.TOKEN, now=NOW).key.kid, issuer.kid()
    await issuer.taint(theirs)
    assert await issuer.published() == [mine]
    again = KeyService(issuer.database, KeyFiles(tmp_path / "other"), KeyPolicy("issuer-2", 100, 305))
    await again.start(now=NOW + 1)
    assert again.signer(Purpose.TOKEN, now=NOW + 1).key.kid not in (theirs, mine)
