"""Who is awaited: the promise that a change nobody is silent about is enforced by every registered verifier."""

import asyncio

import pytest

from issuer.enforcement.model import MARGIN_MS, OnStale
from issuer.errors import ConflictError, NotFoundError, UnauthenticatedError, UnknownVerifierError
from issuer.registry.roles import Operator, Role
from issuer.registry.state import State
from issuer.registry.store.providers import replace_credential
from tests.fakes.enforcing import BOUND_MS, BOUNDS, OTHER, SHOP, instance, registration

OFFLINE_MS = BOUNDS.offline_ms


async def test_a_change_waits_for_every_verifier_that_was_there(issuer):
    """Each is silent until it says that it enforces it."""
    for name in ("one", "two"):
        await issuer.register(name)
    seq = await issuer.change()
    assert await issuer.enforced(seq) == ([], ["one", "two"])
    await issuer.ack("one", seq)
    assert await issuer.enforced(seq) == (["one"], ["two"])
    await issuer.ack("two", seq)
    assert await issuer.enforced(seq) == (["one", "two"], [])


async def test_an_acknowledgement_stands_for_all_changes_before_it(issuer):
    """A verifier that caught up says so once."""
    await issuer.register("one")
    seqs = [await issuer.change() for _ in range(3)]
    await issuer.ack("one", seqs[1])
    assert [await issuer.enforced(seq) for seq in seqs] == [(["one"], []), (["one"], []), ([], ["one"])]


async def test_an_acknowledgement_may_come_before_anybody_looked(issuer):
    """It is the event that makes a verifier acknowledge, and not this process that hears of the commit first."""
    await issuer.register("one")
    seq = await issuer.change()
    await issuer.ack("one", seq)
    report = await issuer.report(seq)
    assert [one.verifier for one in report.enforced] == ["one"]
    assert 0 <= report.enforced[0].milliseconds < 5000


async def test_nobody_enforces_what_was_not_committed(issuer):
    """Such an acknowledgement is refused and counts for nothing, also once there is that change."""
    await issuer.register("one")
    with pytest.raises(ConflictError):
        await issuer.ack("one", 1)
    seq = await issuer.change()
    assert await issuer.enforced(seq) == ([], ["one"])
    with pytest.raises(NotFoundError):
        await issuer.report(seq + 1)


async def test_an_older_acknowledgement_takes_nothing_back(issuer):
    """Two that overtake each other on their way come to the newer one."""
    await issuer.register("one")
    first, second = await issuer.change(), await issuer.change()
    await issuer.ack("one", second)
    await issuer.ack("one", first)
    assert await issuer.enforced(second) == (["one"], [])


async def test_a_verifier_that_comes_after_a_change_is_not_awaited_for_it(issuer):
    """Until the head that it is told is loaded it refuses every token, and that head holds the change."""
    seq = await issuer.change()
    assert await issuer.register("late") == seq
    assert await issuer.enforced(seq) == ([], [])
    after = await issuer.change()
    assert await issuer.enforced(after) == ([], ["late"])


async def test_a_registration_that_races_a_change_loses_nothing(issuer):
    """Whichever is committed first: either the verifier is told of the change, or it is awaited."""
    for number in range(20):
        told, seq = await asyncio.gather(issuer.register(f"racer-{number}"), issuer.change())
        silent = (await issuer.enforced(seq))[1]
        assert (told >= seq) is (f"racer-{number}" not in silent)
        assert told in (seq - 1, seq)


async def test_a_verifier_is_awaited_from_before_its_registration_is_durable(issuer):
    """No commit gets between the two."""
    seq = await issuer.change()
    registering = asyncio.create_task(issuer.register("one", enforced=0))
    await asyncio.sleep(0)
    silent = (await issuer.enforced(seq))[1]
    await registering
    assert silent == ["one"]
    assert await issuer.enforced(seq) == ([], ["one"])


async def test_who_registers_again_and_enforces_less_is_silent_again(issuer):
    """What it says now counts, not what it said before."""
    await issuer.register("one")
    first, second = await issuer.change(), await issuer.change()
    await issuer.ack("one", second)
    await issuer.register("one", enforced=first)
    assert await issuer.enforced(first) == (["one"], [])
    assert await issuer.enforced(second) == ([], ["one"])
    await issuer.ack("one", second)
    assert await issuer.enforced(second) == (["one"], [])


async def test_who_registers_again_and_accepts_nothing_yet_enforces_the_head(issuer):
    """It refuses everything until it has loaded it."""
    await issuer.register("one")
    seq = await issuer.change()
    await issuer.register("one")
    assert await issuer.enforced(seq) == (["one"], [])


async def test_nobody_enforces_more_than_there_is(issuer):
    """A verifier that claims it, as after the issuer was restored from a backup, is awaited for what comes."""
    await issuer.register("one", enforced=100)
    assert await issuer.enforced(await issuer.change()) == ([], ["one"])


async def test_an_instance_is_one_providers(issuer):
    """Another one can neither take it over, nor acknowledge for it, nor send it away, nor listen as it."""
    await issuer.register("one")
    seq = await issuer.change()
    with pytest.raises(ConflictError):
        await issuer.register("one", OTHER)
    with pytest.raises(UnknownVerifierError):
        await issuer.ack("one", seq, OTHER)
    with pytest.raises(UnknownVerifierError):
        await issuer.enforcement.leave(OTHER, instance("one"))
    with pytest.raises(UnknownVerifierError), issuer.enforcement.attending(OTHER, instance("one")):
        pass
    assert await issuer.enforced(seq) == ([], ["one"])


async def test_who_said_goodbye_is_awaited_no_more(issuer):
    """At once, and its row is gone; it is unknown until it registers again."""
    await issuer.register("one")
    seq = await issuer.change()
    await issuer.enforcement.leave(SHOP, instance("one"))
    assert await issuer.enforced(seq) == ([], [])
    assert await issuer.rows("SELECT * FROM verifiers") == []
    with pytest.raises(UnknownVerifierError):
        await issuer.ack("one", seq)
    await issuer.register("one", enforced=0)
    assert await issuer.enforced(seq) == ([], ["one"])


@pytest.mark.parametrize(
    ("on_stale", "bound_ms"), [(OnStale.DENY, BOUND_MS), (OnStale.ALLOW, OFFLINE_MS)], ids=["deny", "allow"]
)
async def test_who_is_away_is_awaited_until_it_refuses_by_itself(issuer, on_stale, bound_ms):
    """Its bound with a margin; with `allow` until every token that it may accept is over."""
    await issuer.register("one", on_stale=on_stale)
    seq = await issuer.change()
    issuer.clock.ms += bound_ms + MARGIN_MS
    issuer.enforcement.stir()
    await asyncio.sleep(0.2)
    assert await issuer.enforced(seq) == ([], ["one"])
    issuer.clock.ms += 1
    await issuer.until("SELECT count(*) FROM verifiers", [(0,)])
    assert await issuer.enforced(seq) == ([], [])


async def test_an_open_stream_and_every_acknowledgement_keep_a_verifier(issuer):
    """However long it is."""
    await issuer.register("streams")
    await issuer.register("polls")
    with issuer.enforcement.attending(SHOP, instance("streams")) as ended:
        for _ in range(3):
            issuer.clock.ms += BOUND_MS
            await issuer.ack("polls", 0)
        issuer.enforcement.stir()
        await asyncio.sleep(0.2)
        assert not ended.is_set()
    seq = await issuer.change()
    assert await issuer.enforced(seq) == ([], ["polls", "streams"])
    issuer.clock.ms += BOUND_MS + MARGIN_MS + 1
    await issuer.until("SELECT count(*) FROM verifiers", [(0,)])


@pytest.mark.parametrize("state", [State.SUSPENDED, State.REVOKED])
async def test_a_stopped_providers_verifiers_are_not_awaited(issuer, state):
    """Their streams end and their rows go; those of others stay. No registration gets past it."""
    await issuer.register("one")
    await issuer.register("two", OTHER)
    seq = await issuer.change()
    with issuer.enforcement.attending(SHOP, instance("one")) as ended:
        await issuer.stop_provider("shop", state)
        assert await issuer.enforced(seq) == ([], ["two"])
        assert ended.is_set()
    with pytest.raises(UnknownVerifierError):
        await issuer.ack("one", seq)
    with pytest.raises(UnauthenticatedError):
        await issuer.register("one")
    await issuer.until("SELECT name FROM verifiers", [("two",)])


async def test_a_new_credential_ends_the_streams_of_the_old_one(issuer):
    """The verifier has to come back with the new one; until then it is awaited."""
    await issuer.register("one")
    with issuer.enforcement.attending(SHOP, instance("one")) as ended:
        await issuer.database.transaction(lambda tx: replace_credential(tx, "shop", "other digest"))
        seq = await issuer.change()
        assert await issuer.enforced(seq) == ([], ["one"])
        assert ended.is_set()


async def test_a_waiting_request_is_answered_the_moment_nobody_is_silent(issuer):
    """And after its time in any case."""
    await issuer.register("one")
    seq = await issuer.change()
    waiting = asyncio.create_task(issuer.report(seq, wait_seconds=30))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await issuer.ack("one", seq)
    async with asyncio.timeout(1):
        assert (await waiting).silent == []


async def test_only_so_many_requests_wait(issuer, monkeypatch):
    """One more is answered at once, with those that are silent."""
    monkeypatch.setattr("issuer.enforcement.service.MAX_WAITING", 1)
    await issuer.register("one")
    seq = await issuer.change()
    waiting = asyncio.create_task(issuer.report(seq, wait_seconds=30))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        assert [one.verifier for one in (await issuer.report(seq, wait_seconds=30)).silent] == ["one"]
    await issuer.enforcement.close()
    async with asyncio.timeout(1):
        assert len((await waiting).silent) == 1


async def test_a_report_says_when_the_others_refuse(issuer):
    """By the bound of each, counted from the commit; what was done is told only to those who see its account."""
    await issuer.register("one", bound_ms=7000)
    await issuer.register("two", on_stale=OnStale.ALLOW)
    seq = await issuer.change("suspend")
    report = await issuer.report(seq)
    at_ms = report.committed_at_ms
    assert {(one.verifier, one.refuses_by_ms - at_ms) for one in report.silent} == {("one", 7000), ("two", 305_000)}
    assert (report.unregistered_refuse_by_ms - at_ms, report.offline_refuse_by_ms - at_ms) == (15_000, 305_000)
    assert (report.verb, report.what, report.anonymous) == ("suspend", "agent acme/planner", 3)
    stranger = Operator(name="zoe", role=Role.OPERATOR, account="zeta")
    assert (await issuer.report(seq, stranger)).what is None
    owner = Operator(name="ada", role=Role.OPERATOR, account="acme")
    assert (await issuer.report(seq, owner)).what == "agent acme/planner"


async def test_a_provider_has_so_many_verifiers(issuer, monkeypatch):
    """None makes room for another as long as it may still accept; whoever said goodbye does, and other providers have room of their own."""
    monkeypatch.setattr("issuer.enforcement.watch.MAX_VERIFIERS", 2)
    for name in ("one", "two"):
        await issuer.register(name)
    await issuer.register("other", OTHER)
    with pytest.raises(Exception, match="2 verifiers") as refused:
        await issuer.register("three")
    assert refused.value.code == "too_many_verifiers"
    await issuer.enforcement.leave(SHOP, instance("one"))
    await issuer.register("three")
    await issuer.until("SELECT name FROM verifiers ORDER BY name", [("other",), ("three",), ("two",)])


async def test_head_zero_is_enforced_by_everybody(issuer):
    """Nothing was ever changed."""
    await issuer.register("one", enforced=0)
    report = await issuer.report(0)
    assert (report.verb, report.committed_at_ms, report.silent, report.settled) == (None, None, [], True)
    assert [one.verifier for one in report.enforced] == ["one"]


@pytest.mark.parametrize(
    "bent",
    [{"instance": "short"}, {"instance": "x" * 65}, {"instance": "x" * 15 + "/"}, {"name": ""}, {"name": "\x1b[2J"}],
    ids=str,
)
def test_what_is_no_registration_is_refused(bent):
    """Decoding raises."""
    import msgspec  # noqa: PLC0415 - only here

    given = msgspec.to_builtins(registration("one")) | bent
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, type(registration("one")))
