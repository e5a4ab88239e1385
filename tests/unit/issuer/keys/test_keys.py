"""The life of a signing key, on a real database and a real folder, with a clock that is set."""

import pytest

from issuer.audit.model import AuditQuery
from issuer.audit.service import AuditLog
from issuer.changes import Change, Once
from issuer.errors import ConflictError
from issuer.keys import KeyPolicy, KeyService, Phase, Purpose
from issuer.keys.files import KeyFiles
from issuer.registry.operators import register_first_operator
from issuer.registry.roles import Operator, Role
from issuer.storage import SQLiteDatabase
from remit.errors import ConfigurationError
from remit.jose import PublicKey, parse_unverified

NOW = 1_800_000_000
ANA = Operator(name="ana", role=Role.ADMIN)
TIMES = (NOW, NOW + 99, NOW + 100, NOW + 404, NOW + 405)
POLICY = KeyPolicy(instance="issuer-1", prepare_seconds=100, overlap_seconds=305)


@pytest.fixture
async def database(tmp_path):
    database = SQLiteDatabase(tmp_path / "remit.db")
    await database.transaction(lambda tx: register_first_operator(tx, ANA.name, 0))
    yield database
    await database.close()


@pytest.fixture
async def keys(database, tmp_path):
    return await started(database, tmp_path)


async def started(database, folder, *, now=NOW, policy=POLICY):
    service = KeyService(database, KeyFiles(folder / "keys"), policy)
    await service.start(now=now)
    return service


async def kids(keys, now, purpose=Purpose.TOKEN):
    return [key.kid for key in (await keys.published(purpose, now=now)).keys]


async def rotate(keys, now=NOW, purpose=Purpose.TOKEN, once=None):
    return await keys.rotate(Change(ANA, now * 1000, once), purpose)


async def test_the_first_start_makes_one_key_for_each_purpose(keys, tmp_path):
    """Token and status keys are different keys, private to the owner."""
    token, status = (keys.signer(purpose, now=NOW).key.kid for purpose in Purpose)
    assert token != status
    files = list((tmp_path / "keys").iterdir())
    assert {file.stem for file in files} == {token, status}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


async def test_a_restart_signs_with_the_same_key(keys, database, tmp_path):
    """Nothing is made anew when it is there."""
    again = await started(database, tmp_path)
    assert again.signer(Purpose.TOKEN, now=NOW).key.kid == keys.signer(Purpose.TOKEN, now=NOW).key.kid


async def test_a_signed_token_has_exactly_three_header_members(keys):
    """JWT-SVID section 2; the published key verifies it."""
    signer = keys.signer(Purpose.TOKEN, now=NOW)
    jws = parse_unverified(signer.sign(b'{"sub":"x"}'))
    assert jws.unverified_header() == {"alg": "ES256", "kid": signer.key.kid, "typ": "JWT"}
    PublicKey.from_jwk(signer.key.jwk).verify(jws.signing_input, jws.signature, "ES256")


async def test_rotation_is_a_matter_of_time_alone(keys):
    """Published at once, signing after the preparation, the old one out when its last token has expired."""
    old = keys.signer(Purpose.TOKEN, now=NOW).key.kid
    new = (await rotate(keys)).prepared.kid
    assert await kids(keys, NOW) == [old, new]
    assert keys.signer(Purpose.TOKEN, now=NOW + 99).key.kid == old
    assert keys.signer(Purpose.TOKEN, now=NOW + 100).key.kid == new
    assert await kids(keys, NOW + 100 + 304) == [old, new]
    assert await kids(keys, NOW + 100 + 305) == [new]


async def test_phases(keys):
    """Prepared, active, retiring, retired; of one issuer and purpose exactly one key is active, the one that signs."""
    rotation = await rotate(keys)
    every = await keys.all()
    first, second = ([every.phase(key, now) for now in TIMES] for key in (rotation.active, rotation.prepared))
    assert first == [Phase.ACTIVE, Phase.ACTIVE, Phase.RETIRING, Phase.RETIRING, Phase.RETIRED]
    assert second == [Phase.PREPARED, Phase.PREPARED, Phase.ACTIVE, Phase.ACTIVE, Phase.ACTIVE]
    status = next(key for key in every.keys if key.purpose is Purpose.STATUS)
    assert {every.phase(status, now) for now in TIMES} == {Phase.ACTIVE}


async def test_the_sequence_rises_with_each_change(keys):
    """A consumer that has seen a sequence never sees a lower one, nor the same one for other keys."""
    seen = [(await keys.published(Purpose.TOKEN, now=NOW)).sequence]
    await rotate(keys)
    seen += [(await keys.published(Purpose.TOKEN, now=now)).sequence for now in (NOW, NOW + 404, NOW + 405)]
    assert seen == [1, 2, 2, 3]


async def test_status_keys_stay_apart(keys):
    """Rotating one purpose leaves the other alone."""
    before = await kids(keys, NOW, Purpose.STATUS)
    await rotate(keys)
    assert await kids(keys, NOW, Purpose.STATUS) == before


async def test_one_rotation_at_a_time(keys, tmp_path):
    """A second one would activate a key before all consumers know it; it leaves no file behind."""
    await rotate(keys)
    files = set((tmp_path / "keys").iterdir())
    with pytest.raises(ConflictError) as caught:
        await rotate(keys, NOW + 50)
    assert caught.value.code == "rotation_under_way"
    assert set((tmp_path / "keys").iterdir()) == files
    await rotate(keys, NOW + 100)


async def test_asking_twice_with_one_key_rotates_once(keys, tmp_path):
    """An Idempotency-Key makes a repetition harmless: the same answer, no second file."""
    once = Once("POST /v1/admin/keys/rotate", "k", "d")
    first = await rotate(keys, once=once)
    files = set((tmp_path / "keys").iterdir())
    assert await rotate(keys, NOW + 1, once=once) == first
    assert set((tmp_path / "keys").iterdir()) == files


async def test_a_prepared_key_survives_a_restart(keys, database, tmp_path):
    """The activation needs nobody to be running when it is prepared."""
    new = (await rotate(keys)).prepared.kid
    again = await started(database, tmp_path, now=NOW + 200)
    assert again.signer(Purpose.TOKEN, now=NOW + 200).key.kid == new


async def test_a_rotation_is_audited(keys, database):
    """Who rotated, from which key to which."""
    rotation = await rotate(keys)
    (record,) = await AuditLog(database).query(AuditQuery(kind="key.rotate"))
    assert (record.actor, record.detail["kid"]) == ("operator:ana", rotation.prepared.kid)


async def test_each_instance_has_its_own_key(keys, database, tmp_path):
    """Issuers that share a database publish each other's keys and sign with their own."""
    other = await started(database, tmp_path / "other", policy=KeyPolicy("issuer-2", 100, 305))
    mine, theirs = (service.signer(Purpose.TOKEN, now=NOW).key.kid for service in (keys, other))
    assert mine != theirs
    assert sorted(await kids(keys, NOW)) == sorted([mine, theirs])


async def test_a_missing_private_key_is_an_error_at_start(keys, database, tmp_path):
    """A new key would not be noticed until every cached bundle fails; the operator must decide."""
    path = tmp_path / "keys" / f"{keys.signer(Purpose.TOKEN, now=NOW).key.kid}.pem"
    path.unlink()
    with pytest.raises(ConfigurationError) as caught:
        await started(database, tmp_path)
    assert (caught.value.code, str(path) in caught.value.detail) == ("key_missing", True)


@pytest.mark.parametrize("damage", ["not a key", "cut", "other"])
async def test_a_damaged_private_key_is_an_error_at_start(keys, database, tmp_path, damage):
    """Nothing is ever signed with a key that is not the published one."""
    token, status = (tmp_path / "keys" / f"{keys.signer(purpose, now=NOW).key.kid}.pem" for purpose in Purpose)
    damaged = {"not a key": b"hello", "cut": token.read_bytes()[:100], "other": status.read_bytes()}
    token.write_bytes(damaged[damage])
    with pytest.raises(ConfigurationError) as caught:
        await started(database, tmp_path)
    assert caught.value.code == "key_damaged"


async def test_a_private_key_that_others_can_read_is_refused(keys, database, tmp_path):
    """The hint is the command that repairs it."""
    path = tmp_path / "keys" / f"{keys.signer(Purpose.STATUS, now=NOW).key.kid}.pem"
    path.chmod(0o640)
    with pytest.raises(ConfigurationError) as caught:
        await started(database, tmp_path)
    assert caught.value.hint == f"chmod 600 {path}"


async def test_no_active_key_fails_closed(keys):
    """Before the first key's time (a clock that fell back) nothing is signed."""
    with pytest.raises(ConfigurationError, match="no active token key"):
        keys.signer(Purpose.TOKEN, now=NOW - 1)
