"""Who streams, and who does no longer."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from remit.errors import RefusedError, UnavailableError
from sidecar.errors import ExpelledError, IssuerRefusedError
from sidecar.evidence import Evidence
from sidecar.identity import Identities
from sidecar.state import Membership
from sidecar.streams import Streams

MEMBERSHIP = Membership("https://i", "edge-1", "spiffe://example.org/sidecar/edge-1", "example.org")


class Issuer:
    """Says who is an agent, by the uid in the evidence; `error` is raised instead."""

    def __init__(self) -> None:
        self.agents = {1: ["acme/one"], 2: ["acme/two"]}
        self.asked: list[list[int]] = []
        self.error: Exception | None = None

    async def post(self, body: bytes) -> bytes:
        uids = [workload["evidence"]["uid"] for workload in json.loads(body)["workloads"]]
        self.asked.append(uids)
        if self.error is not None:
            raise self.error
        return json.dumps({"results": [self.result(uid) for uid in uids]}).encode()

    def result(self, uid: int) -> dict[str, Any]:
        if uid in self.agents:
            return {"agents": [{"agent": name} for name in self.agents[uid]]}
        return {"problem": {"code": "no_entry", "detail": "no entry matches"}}


class Connection(asyncio.Transport):
    """The connection of a user's process."""

    def __init__(self, uid: int) -> None:
        super().__init__()
        self.uid = uid

    def is_closing(self) -> bool:
        return False


class Caller:
    """What `sidecar.peer` knows of a process, as far as streams care."""

    def __init__(self, uid: int) -> None:
        encoded = json.dumps({"uid": uid}).encode()
        self.evidence = Evidence(msgspec.Raw(encoded), encoded, uid, None)


class House:
    """Streams over an issuer that is told what to say, with no time between a change and the question."""

    def __init__(self) -> None:
        self.issuer = Issuer()
        self.unidentified: dict[int, Exception] = {}
        identities = Identities(self.issuer.post, lambda: MEMBERSHIP)
        self.streams = Streams(self.identify, identities, splay_seconds=0.0)  # type: ignore[arg-type] # a fake caller

    async def identify(self, transport: Connection) -> Caller:
        if transport.uid in self.unidentified:
            raise self.unidentified[transport.uid]
        return Caller(transport.uid)


@pytest.fixture
async def house() -> Any:
    """The streams, followed."""
    house = House()
    following = asyncio.ensure_future(house.streams.follow())
    yield house
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_a_stream_is_for_agents(house: House) -> None:
    """Whom no entry matches is refused before anything is sent."""
    with pytest.raises(RefusedError, match="no entry"):
        async with house.streams.open(Connection(3)):
            pytest.fail("it streams")
    assert len(house.streams) == 0


async def test_at_a_change_all_are_asked_about_at_once(house: House) -> None:
    """One request for all callers, each once; who is no agent any more has its stream ended, the others go on."""
    async with (
        house.streams.open(Connection(1)) as lost,
        house.streams.open(Connection(1)) as lost_too,
        house.streams.open(Connection(2)) as kept,
    ):
        del house.issuer.agents[1]
        house.streams.changed(here=True)
        for watch in (lost, lost_too):
            with pytest.raises(RefusedError, match="no entry"):
                await asyncio.wait_for(watch.wait(), 5)
        kept.check()
        assert house.issuer.asked[3:] == [[1, 2]]


async def test_nothing_is_asked_while_nobody_streams(house: House) -> None:
    """A change costs an issuer nothing then."""
    house.streams.changed(here=True)
    await _turns()
    assert house.issuer.asked == []


async def test_a_change_while_the_issuer_is_asked_about_a_new_stream_is_not_missed(house: House) -> None:
    """The stream counts from before the question: its answer may be from before the change."""
    gate = asyncio.Event()
    answer = house.issuer.post

    async def late(body: bytes) -> bytes:
        told = await answer(body)
        await gate.wait()
        return told

    house.streams._identities._post = late  # the issuer's answer is on its way
    opening = house.streams.open(Connection(1))
    entered = asyncio.ensure_future(opening.__aenter__())
    await _turns()
    del house.issuer.agents[1]
    house.streams._identities._post = answer
    house.streams.changed(here=True)
    gate.set()
    watch = await entered
    with pytest.raises(RefusedError):
        await asyncio.wait_for(watch.wait(), 5)
    await opening.__aexit__(None, None, None)


async def test_while_the_issuer_is_away_streams_go_on_and_are_asked_about_later(house: House) -> None:
    """Bundles are public: an outage ends nobody's stream, but nobody is forgotten either."""
    house.issuer.error = UnavailableError("away", code="issuer_unavailable")
    async with house.streams.open(Connection(3)) as watch:
        await _turns()
        watch.check()
        house.issuer.error = None
        with pytest.raises(RefusedError, match="no entry"):
            await asyncio.wait_for(watch.wait(), 5)


async def test_a_refusal_to_say_who_is_an_agent_ends_no_watching(house: House) -> None:
    """An issuer that refuses the question, whatever its reason, is asked again."""
    async with house.streams.open(Connection(1)) as watch:
        house.issuer.error = IssuerRefusedError("not now", code="forbidden", status=403)
        house.streams.changed(here=True)
        await _turns()
        del house.issuer.agents[1]
        house.issuer.error = None
        with pytest.raises(RefusedError, match="no entry"):
            await asyncio.wait_for(watch.wait(), 5)


async def test_a_sidecar_that_is_not_accepted_lets_nobody_stream(house: House) -> None:
    """It vouches for nobody, and those who stream are ended by the same word."""
    async with house.streams.open(Connection(1)) as watch:
        house.issuer.error = ExpelledError("the issuer does not accept this sidecar")
        with pytest.raises(ExpelledError):
            async with house.streams.open(Connection(2)):
                pytest.fail("it streams")
        house.streams.end_all(house.issuer.error)
        with pytest.raises(ExpelledError):
            await watch.wait()


async def test_a_caller_that_cannot_be_identified_now_holds_up_nobody(house: House) -> None:
    """Its launch may be pending: it is asked about later, and the others are not left to wait for that."""
    async with house.streams.open(Connection(1)) as lost, house.streams.open(Connection(2)) as pending:
        del house.issuer.agents[1]
        house.unidentified[2] = UnavailableError("launch pending")
        house.streams.changed(here=True)
        with pytest.raises(RefusedError):
            await asyncio.wait_for(lost.wait(), 5)
        house.unidentified[2] = RefusedError("executed another program")
        with pytest.raises(RefusedError, match="another program"):
            await asyncio.wait_for(pending.wait(), 5)


async def _turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
