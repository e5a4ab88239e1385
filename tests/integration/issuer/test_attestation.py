"""Joining, sessions and used evidence on a real database."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from attestors.base import Appraisal, AppraisalContext, Origin
from attestors.errors import EvidenceRefusedError
from attestors.join_token import JoinTokenAttestor
from attestors.process import ProcessAttestor, ProcessEvidence
from issuer.attestation import store
from issuer.attestation.service import AttestationService, use_up
from issuer.errors import UnauthenticatedError
from issuer.storage import Database, SQLiteDatabase, Transaction

NOW = 1_800_000_000
NOW_MS = NOW * 1000 + 123
TOKEN = "remit_join_" + "a" * 43
ANOTHER = "remit_join_" + "b" * 43


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = SQLiteDatabase(tmp_path / "remit.db")
    await database.transaction(_register)
    yield database
    await database.close()


async def _register(tx: Transaction) -> None:
    for number, (name, token) in enumerate([("edge-1", TOKEN), ("edge-2", ANOTHER)], 1):
        await tx.execute("INSERT INTO sidecars (id, name, created_at) VALUES ($1, $2, $3)", number, name, NOW)
        await tx.execute(
            "INSERT INTO join_tokens (digest, sidecar_id, created_by, created_at, expires_at) VALUES ($1, $2, 'operator:ana', $3, $4)",
            hashlib.sha256(token.encode()).hexdigest(),
            number,
            NOW,
            NOW + 600,
        )


@pytest.fixture
def service(database: Database) -> AttestationService:
    return AttestationService(database, {"join_token": JoinTokenAttestor(), "process": ProcessAttestor()})


def evidence(token: str) -> bytes:
    return msgspec.json.encode({"token": token})


async def audit(database: Database) -> list[str]:
    async def work(tx: Transaction) -> list[str]:
        return [f"{row['actor']} {row['kind']}" for row in await tx.fetch("SELECT actor, kind FROM audit ORDER BY seq")]

    return await database.read(work)


async def test_a_sidecar_joins_and_acts(service: AttestationService, database: Database) -> None:
    """A join answers with a session that its key may use, and leaves a record without the secret."""
    session = await service.join("join_token", evidence(TOKEN), "key", NOW_MS)
    assert str(session.sidecar) == "edge-1"
    assert session.expires_at == NOW + 3600
    sidecar = await service.authenticate(session.secret, "key", NOW)
    assert sidecar.actor == "sidecar:edge-1"
    assert await audit(database) == ["sidecar:edge-1 sidecar.join"]


async def test_a_join_and_a_session_are_recorded_to_the_millisecond(
    service: AttestationService, database: Database
) -> None:
    """As every other record is, so that records of several kinds can be put in order."""
    await service.join("join_token", evidence(TOKEN), "key", NOW_MS)
    await service.renew("key", NOW_MS + 1)
    rows = await database.read(lambda tx: tx.fetch("SELECT at_ms FROM audit ORDER BY seq"))
    assert [row["at_ms"] for row in rows] == [NOW_MS, NOW_MS + 1]


async def test_a_join_token_used_twice_at_the_same_moment(service: AttestationService, database: Database) -> None:
    """Of many that show the same token at once, exactly one joins; the others change nothing."""
    joins = [service.join("join_token", evidence(TOKEN), f"key-{number}", NOW_MS) for number in range(16)]
    outcomes = await asyncio.gather(*joins, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, EvidenceRefusedError)]
    assert len(refused) == 15
    assert {error.code for error in refused} == {"evidence_replayed"}
    winner = next(number for number, outcome in enumerate(outcomes) if outcome not in refused)
    assert await service.renew(f"key-{winner}", NOW_MS)
    assert len(await audit(database)) == 2


async def test_the_statement_itself_uses_a_token_once(database: Database) -> None:
    """Also where two transactions run side by side, only one of them finds the token unused."""
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    assert await database.transaction(lambda tx: store.use_join_token(tx, digest, NOW))
    assert not await database.transaction(lambda tx: store.use_join_token(tx, digest, NOW))


async def test_one_key_is_one_sidecar(service: AttestationService) -> None:
    """A key that is bound to a name cannot take a second one; the token for it stays good."""
    await service.join("join_token", evidence(TOKEN), "key", NOW_MS)
    with pytest.raises(EvidenceRefusedError, match="edge-1's"):
        await service.join("join_token", evidence(ANOTHER), "key", NOW_MS)
    assert await service.join("join_token", evidence(ANOTHER), "key-2", NOW_MS)


async def test_a_session_is_renewed_by_the_key_alone(service: AttestationService) -> None:
    """After a restart or a lost answer the key opens another session; a foreign key opens none."""
    await service.join("join_token", evidence(TOKEN), "key", NOW_MS)
    session = await service.renew("key", NOW_MS + 7_200_000)
    assert await service.authenticate(session.secret, "key", NOW + 7201)
    with pytest.raises(UnauthenticatedError) as refused:
        await service.renew("foreign", NOW_MS)
    assert refused.value.code == "session_invalid"


async def test_a_session_of_another_key_is_nothing(service: AttestationService) -> None:
    """A stolen session without its key is refused, and so is one that is over."""
    session = await service.join("join_token", evidence(TOKEN), "key", NOW_MS)
    for jkt, now in (("thief", NOW), ("key", NOW + 3600)):
        with pytest.raises(UnauthenticatedError):
            await service.authenticate(session.secret, jkt, now)


async def test_sessions_of_a_sidecar_are_bounded(service: AttestationService, database: Database) -> None:
    """However often it renews, a few remain, the newest among them."""
    await service.join("join_token", evidence(TOKEN), "key", NOW_MS)
    sessions = [await service.renew("key", NOW_MS + number * 1000) for number in range(20)]

    async def count(tx: Transaction) -> int:
        rows = await tx.fetch("SELECT digest FROM sidecar_sessions")
        return len(rows)

    assert await database.read(count) <= 9
    assert await service.authenticate(sessions[-1].secret, "key", NOW + 20)


async def test_a_revoked_sidecar_is_out_at_once(service: AttestationService, database: Database) -> None:
    """Its session ends with its state, and its key opens no other."""
    session = await service.join("join_token", evidence(TOKEN), "key", NOW_MS)
    await database.transaction(lambda tx: tx.execute("UPDATE sidecars SET state = 'revoked' WHERE id = 1"))
    with pytest.raises(UnauthenticatedError):
        await service.authenticate(session.secret, "key", NOW)
    with pytest.raises(UnauthenticatedError):
        await service.renew("key", NOW_MS)


async def test_evidence_is_used_up_in_the_transaction_it_is_used_in(database: Database) -> None:
    """A second use is refused; one that was rolled back did not count; what is over is forgotten."""
    appraisal = Appraisal(frozenset({"oidc:x:sub:y"}), "y", use_once="digest", use_once_until=NOW + 300)

    async def fails(tx: Transaction) -> None:
        await use_up(tx, appraisal, NOW)
        raise RuntimeError("the issuance did not happen")

    with pytest.raises(RuntimeError):
        await database.transaction(fails)
    await database.transaction(lambda tx: use_up(tx, appraisal, NOW))
    with pytest.raises(EvidenceRefusedError) as refused:
        await database.transaction(lambda tx: use_up(tx, appraisal, NOW + 299))
    assert refused.value.code == "evidence_replayed"


async def test_workload_evidence_is_taken_from_a_sidecar_only(service: AttestationService) -> None:
    """The same facts, shown by anybody else, are refused: nobody vouches for them."""
    shown = msgspec.json.encode(ProcessEvidence(uid=1000, gid=1000))
    appraisal = await service.appraise(shown, Origin.SIDECAR, NOW)
    assert appraisal.selectors == {"unix:uid:1000", "unix:gid:1000"}
    with pytest.raises(EvidenceRefusedError, match="not accepted from here"):
        await service.appraise(shown, Origin.DIRECT, NOW)


@pytest.mark.parametrize(
    "shown",
    [b"", b"[]", b"{}", b'{"attestor":1}', b'{"attestor":"unheard"}', b"{" * 70_000, b'{"attestor":"process"}'],
)
async def test_bad_evidence_is_refused(service: AttestationService, shown: bytes) -> None:
    """Whatever it is, it comes out as a refusal."""
    with pytest.raises(EvidenceRefusedError):
        await service.appraise(shown, Origin.SIDECAR, NOW)


async def test_a_stopped_sidecar_is_noticed_within_a_second(service: AttestationService, database: Database) -> None:
    """A session that was just good is believed for the second; what the sidecar asks for then is checked by the record."""
    session = await service.join("join_token", evidence(TOKEN), "key", NOW_MS)
    await service.authenticate(session.secret, "key", NOW)
    await database.transaction(
        lambda tx: tx.execute("UPDATE sidecars SET state = 'suspended', revision = revision + 1")
    )
    with pytest.raises(UnauthenticatedError):
        await service.authenticate(session.secret, "thief", NOW)
    with pytest.raises(UnauthenticatedError):
        await service.authenticate(session.secret, "key", NOW + 2)


class Counting(ProcessAttestor):
    """Counts its judgements."""

    judged = 0

    async def _appraise(self, evidence: bytes, context: AppraisalContext) -> Appraisal:
        self.judged += 1
        return await super()._appraise(evidence, context)


class Fickle(Counting):
    """May judge otherwise the next time."""

    repeatable = False


@pytest.mark.parametrize(("attestor", "times"), [(Counting(), 1), (Fickle(), 2)], ids=["repeatable", "fickle"])
async def test_what_is_always_judged_alike_is_judged_once(database: Database, attestor: Counting, times: int) -> None:
    """Only for an attestor that says so; the judgement for a sidecar is none for anybody else."""
    service = AttestationService(database, {"process": attestor})
    shown = msgspec.json.encode(ProcessEvidence(uid=1000, gid=1000))
    first = await service.appraise(shown, Origin.SIDECAR, NOW)
    assert await service.appraise(shown, Origin.SIDECAR, NOW + 1) == first
    assert attestor.judged == times
    with pytest.raises(EvidenceRefusedError):
        await service.appraise(shown, Origin.DIRECT, NOW)
