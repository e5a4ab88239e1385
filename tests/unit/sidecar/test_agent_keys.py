"""Keys held for agents, without an issuer: what is written down when, and what becomes of it when something fails."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from remit.agent_key import AgentKey
from remit.errors import ConfigurationError, RefusedError, UnavailableError
from sidecar.agent_keys import AgentKeys, KeyIssuer, ProofRequest
from sidecar.cache import Answer, Replies
from sidecar.errors import IssuerRefusedError
from sidecar.evidence import Evidence
from sidecar.identity import Identity
from sidecar.issue import IssuedToken, TokenRequest
from sidecar.key_records import KeyRecord
from sidecar.key_ring import KeyRing
from sidecar.lanes import Lanes
from sidecar.tokens import boottime

AGENT = "acme/planner"
EVIDENCE = Evidence(msgspec.Raw(b"{}"), b"digest", 1000, None)
ASK = TokenRequest("https://api.example.com")


class World:
    """An issuer's answers, a disk, and tokens that are bound to whatever was registered last."""

    def __init__(self, kept: tuple[KeyRecord, ...] = ()) -> None:
        self.disk: dict[str, KeyRecord] = {record.agent: record for record in kept}
        self.posted: list[dict[str, Any]] = []
        self.answers: list[Exception] = []
        self.nonces = ["nonce-1"]
        self.bound_to: str | None = None
        self.full = False
        self.lanes = Lanes(threads=1)
        self.ring = KeyRing(kept, self.keep)
        issuer = KeyIssuer("https://issuer.example.org", self.post, lambda: self.nonces[-1])
        self.keys = AgentKeys(issuer, self, self, self.lanes, self.ring)  # type: ignore[arg-type] # stands in for both

    def keep(self, record: KeyRecord) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.disk[record.agent] = record

    async def post(self, body: bytes) -> bytes:
        self.posted.append(json.loads(body))
        await asyncio.sleep(0)
        if self.answers:
            raise self.answers.pop(0)
        self.bound_to = self.posted[-1]["proof"]
        return b"{}"

    async def of(self, _evidence: Evidence) -> Identity:
        return Identity((AGENT,), "example.org", "https://issuer.example.org")

    async def fetch(self, _evidence: Evidence, _request: TokenRequest) -> Answer:
        await asyncio.sleep(0)
        if self.bound_to is None:
            raise IssuerRefusedError("none is registered", code="no_agent_key", status=403)
        active = self.ring.active(AGENT)
        return answer("token-1", active.thumbprint if active else "unknown")

    def drop_bound(self, _agent: str) -> int:
        return 0


def answer(token: str, jkt: str | None) -> Answer:
    issued = IssuedToken(
        AGENT, "spiffe://example.org/account/acme/agent/planner", token, 0, 300, None, "DPoP", "sidecar"
    )
    now = boottime()
    return Answer((issued,), (), (), Replies(None, b""), now + 150, now + 270, now + 300, jkt)


def refused(code: str) -> IssuerRefusedError:
    return IssuerRefusedError("no", code=code, status=403)


def pem(key: AgentKey) -> str:
    return key.to_pem().decode()


async def test_a_key_is_on_disk_before_the_issuer_hears_of_it() -> None:
    """And it is the one in use afterwards."""
    world = World()

    async def post(body: bytes) -> bytes:
        record = world.disk[AGENT]
        assert record.pending is not None
        assert AgentKey.from_pem(record.pending.encode()).jwk == json.loads(body)["jwk"]
        return await World.post(world, body)

    world.keys._issuer = KeyIssuer("https://issuer.example.org", post, lambda: "nonce-1")
    await world.keys.fetch(EVIDENCE, ASK)
    record = world.disk[AGENT]
    assert (record.pending, record.former) == (None, None)
    assert record.active is not None


async def test_many_first_requests_make_one_key() -> None:
    """Who waited for the registration of another asks for no second one."""
    world = World()
    await asyncio.gather(*(world.keys.fetch(EVIDENCE, ASK) for _ in range(8)))
    assert len(world.posted) == 1


async def test_what_was_not_answered_is_tried_again_with_the_same_key() -> None:
    """Also after a restart: the issuer may have registered it."""
    world = World()
    world.answers = [UnavailableError("the issuer did not answer")]
    with pytest.raises(UnavailableError):
        await world.keys.fetch(EVIDENCE, ASK)
    again = World(tuple(world.disk.values()))
    await again.keys.fetch(EVIDENCE, ASK)
    assert again.posted[0]["jwk"] == world.posted[0]["jwk"]


async def test_a_stale_nonce_costs_one_more_attempt() -> None:
    """And no more than one."""
    world = World()
    world.answers = [refused("key_nonce_stale")]
    await world.keys.fetch(EVIDENCE, ASK)
    assert [body["jwk"] for body in world.posted] == [world.posted[0]["jwk"]] * 2
    world.answers = [refused("key_nonce_stale")] * 2
    with pytest.raises(IssuerRefusedError):
        await world.keys.rotate(EVIDENCE, None)


async def test_a_key_that_is_not_taken_makes_way() -> None:
    """It was replaced or revoked at the issuer: another one is made, and the old one is not tried again."""
    old = AgentKey.generate()
    world = World((KeyRecord(AGENT, active=pem(old)),))
    world.answers = [refused("conflict")]
    await world.keys.fetch(EVIDENCE, ASK)
    assert [body["jwk"] == old.jwk for body in world.posted] == [True, False]
    assert world.disk[AGENT].former == pem(old)


async def test_another_refusal_leaves_everything_as_it_was() -> None:
    """The key that was not taken is not kept; the one in use is."""
    old = AgentKey.generate()
    world = World((KeyRecord(AGENT, active=pem(old)),))
    world.answers = [refused("too_many_keys")]
    with pytest.raises(IssuerRefusedError):
        await world.keys.rotate(EVIDENCE, None)
    assert world.disk[AGENT] == KeyRecord(AGENT, active=pem(old))
    assert len(world.keys) == 1


async def test_a_full_disk_registers_nothing() -> None:
    """A key that could be lost is not shown to the issuer."""
    world = World()
    world.full = True
    with pytest.raises(UnavailableError, match="written down"):
        await world.keys.fetch(EVIDENCE, ASK)
    assert world.posted == []


async def test_a_rotation_keeps_the_former_key() -> None:
    """And forgets the one before it."""
    world = World()
    held = [(await world.keys.rotate(EVIDENCE, AGENT)).jkt for _ in range(3)]
    assert len(set(held)) == 3
    assert [world.ring.find(jkt) is not None for jkt in held] == [False, True, True]


async def test_a_key_that_is_not_held_is_made_anew() -> None:
    """The issuer takes this sidecar for the holder of a key that its folder has lost."""
    world = World()
    world.bound_to = "somebody's"
    got = await world.keys.fetch(EVIDENCE, ASK)
    assert len(world.posted) == 1
    assert world.ring.find(got.jkt) is not None


async def test_proofs_are_for_what_was_given() -> None:
    """To the same evidence, until it ends; a key that is held elsewhere signs nothing here."""
    world = World()
    got = await world.keys.fetch(EVIDENCE, ASK)
    wanted = ProofRequest("GET", "https://api.example.com/x", "token-1")
    other = msgspec.structs.replace(EVIDENCE, digest=b"other")
    codes = []
    for shown in (EVIDENCE, other):
        with pytest.raises(RefusedError) as refusal:
            await world.keys.prove(shown, wanted)
        codes.append(refusal.value.code)
        world.keys.give(EVIDENCE, got)
    assert codes == ["token_not_given"] * 2
    assert (await world.keys.prove(EVIDENCE, wanted)).count(".") == 2
    world.keys.give(EVIDENCE, msgspec.structs.replace(got, expires_at=boottime() - 1))
    with pytest.raises(RefusedError):
        await world.keys.prove(EVIDENCE, wanted)
    world.keys.give(EVIDENCE, answer("token-2", "an agent's own"))
    with pytest.raises(RefusedError) as refusal:
        await world.keys.prove(EVIDENCE, msgspec.structs.replace(wanted, token="token-2"))
    assert refusal.value.code == "key_not_held"
    world.lanes.close()


@pytest.mark.parametrize("content", [b"", b"{}", b'{"agent":"a","x":1}', b'{"agent":7}', b"\xff"])
def test_damaged_records(content: bytes) -> None:
    """Refused, with what to do about it."""
    with pytest.raises(ConfigurationError, match="remove it"):
        KeyRecord.decode(content)


def test_a_damaged_key_is_found_at_the_start() -> None:
    """Not when it is needed."""
    with pytest.raises(ConfigurationError):
        KeyRing([KeyRecord(AGENT, active="no pem")], lambda _record: None)


def test_records_hide_their_keys() -> None:
    """In logs and errors; and their files have names of one length."""
    record = KeyRecord("a" * 2000, active=pem(AgentKey.generate()))
    assert "PRIVATE" not in repr(record)
    assert len(record.file_name) < 100
