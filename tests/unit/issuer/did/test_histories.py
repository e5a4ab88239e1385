"""Histories (did:webvh): what they say, when, and that others can check them."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issuer.did.background import BATCH
from issuer.did.model import as_did_web, parse_subject
from issuer.did.resolution import Options
from issuer.did.service import DeactivatedError
from issuer.did.writing import parse_entry
from issuer.registry.state import State
from remit.errors import ConfigurationError
from remit.webvh import verify_history
from remit.webvh.entry import time_text
from tests.fakes.histories import (
    HOST,
    new_jwk,
    open_histories,
    open_registry,
    resolve_independently,
    set_key,
    set_state,
    settle,
)
from tests.fakes.issuing import NOW

PLANNER = parse_subject("acme/planner")
SEARCH = parse_subject("acme/planner/sub/search")
ACME = parse_subject("acme")


@pytest.fixture
async def core(tmp_path):
    core = await open_registry(tmp_path)
    await core.register("acme/planner", "acme/planner/sub/search")
    yield core
    await core.database.close()


@pytest.fixture
async def dids(core, tmp_path):
    return await open_histories(core, tmp_path)


async def verified(core, dids, subject):
    return verify_history(await dids.history(subject), now=core.clock.now)


def states(history):
    """The state that each version tells of; None: the end."""
    return [
        None if version.deactivated else version.document["service"][1]["serviceEndpoint"]["state"]
        for version in history.versions
    ]


async def logs(core):
    rows = await core.database.read(lambda tx: tx.fetch("SELECT DISTINCT subject FROM did_log ORDER BY subject"))
    return [row["subject"] for row in rows]


async def test_registering_signs_nothing(core, dids):
    """A history begins when it is first read, or at its subject's first change."""
    await settle(dids, core)
    assert await logs(core) == []
    await dids.history(PLANNER)
    await set_state(core, "acme", "suspended")
    await settle(dids, core)
    assert await logs(core) == ["acme", "acme/planner"]


async def test_reading_again_writes_nothing(core, dids):
    """Whoever reads, and whenever."""
    first = await dids.history(PLANNER)
    core.clock.now += 1000
    await dids.document(PLANNER)
    assert await dids.history(PLANNER) == first


async def test_many_first_readers_begin_one_history(core, dids):
    """At the same moment, through issuers that share the database."""
    assert len(set(await asyncio.gather(*(dids.history(PLANNER) for _ in range(10))))) == 1


async def test_keys_and_states_over_time(core, dids):
    """Each change is a version, at the second in which it was made, however late it is written."""
    keys = [new_jwk() for _ in range(2)]
    await set_key(core, "acme/planner", *keys[0])
    core.clock.now = NOW + 10
    await set_state(core, "acme/planner", "suspended")
    core.clock.now = NOW + 20
    await set_state(core, "acme/planner", "active")
    core.clock.now = NOW + 30
    await set_key(core, "acme/planner", *keys[1])
    core.clock.now = NOW + 500
    history = await verified(core, dids, PLANNER)
    assert [version.at for version in history.versions] == [NOW, NOW + 10, NOW + 20, NOW + 30]
    assert states(history) == ["active", "suspended", "active", "active"]
    listed = [version.document["verificationMethod"][0]["publicKeyJwk"]["kid"] for version in history.versions]
    assert listed == [keys[0][1]] * 3 + [keys[1][1]]


async def test_what_is_so_now_costs_the_same_however_long_the_history(core, dids, monkeypatch):
    """Anybody may ask for a document, and an agent may have had many keys: only the ends of its history are read."""
    await dids.history(PLANNER)
    for state in ("suspended", "active") * 3:
        core.clock.now += 1
        await set_state(core, "acme/planner", state)
        await settle(dids, core)
    assert len((await verified(core, dids, PLANNER)).versions) == 7
    read = []
    monkeypatch.setattr("issuer.did.service.parse_entry", lambda line: read.append(line) or parse_entry(line))
    document = await dids.document(PLANNER)
    resolved = await dids.resolve(str(document["alsoKnownAs"][0]), Options())
    assert (resolved.document_metadata["created"], resolved.document_metadata["versionId"][:2]) == (
        time_text(NOW),
        "7-",
    )
    assert len(read) == 4


async def test_one_version_a_second(core, dids):
    """Its times are whole seconds and grow: what was so for less than one is not told."""
    for state in ("suspended", "active", "suspended"):
        await set_state(core, "acme/planner", state)
    await settle(dids, core)
    assert states(await verified(core, dids, PLANNER)) == ["suspended"]


async def test_no_version_is_from_the_future(core, dids):
    """A second change in the second of the last version waits for the next."""
    await dids.history(PLANNER)
    await set_state(core, "acme/planner", "suspended")
    while await dids.work_off():
        pass
    assert len((await verified(core, dids, PLANNER)).versions) == 1
    core.clock.now += 1
    await dids.work_off()
    assert [version.at for version in (await verified(core, dids, PLANNER)).versions] == [NOW, NOW + 1]


async def test_a_clock_that_was_set_back_makes_histories_wait(core, dids):
    """And others go on meanwhile."""
    await dids.history(PLANNER)
    core.clock.now -= 100
    await set_state(core, "acme/planner", "suspended")
    await set_state(core, "acme/planner/sub/search", "suspended")
    while await dids.work_off():
        pass
    assert await logs(core) == ["acme/planner", "acme/planner/sub/search"]
    core.clock.now += 200
    await settle(dids, core)
    assert states(await verified(core, dids, PLANNER)) == ["active", "suspended"]


async def test_the_end(core, dids):
    """No key is left, nothing follows, and the history stays readable."""
    await dids.history(PLANNER)
    core.clock.now += 10
    await set_state(core, "acme/planner", "revoked")
    await settle(dids, core)
    log = await dids.history(PLANNER)
    history = verify_history(log, now=core.clock.now)
    assert states(history) == ["active", "active", None]
    assert [version.at for version in history.versions] == [NOW, NOW + 9, NOW + 10]
    last = json.loads(log.splitlines()[-1])
    assert last["parameters"] == {"updateKeys": [], "deactivated": True}
    assert last["state"].keys() == {"@context", "id"}
    core.clock.now += 10
    await set_state(core, "acme", "revoked")
    await settle(dids, core)
    assert await dids.history(PLANNER) == log


async def test_what_was_revoked_before_it_had_a_history_gets_none(core, dids):
    """There is no DID that could be deactivated."""
    await set_state(core, "acme/planner", "revoked")
    await settle(dids, core)
    for subject in (PLANNER, SEARCH):
        with pytest.raises(DeactivatedError):
            await dids.history(subject)
    assert await logs(core) == []


@pytest.mark.parametrize("revoked", ["acme", "acme/planner"])
async def test_revoking_ends_the_histories_below(core, dids, revoked):
    """Of those that have one, in transactions of bounded size."""
    count = 2 * BATCH + 3
    for number in range(count):
        await core.register(f"acme/planner/sub/a{number}")
        await dids.history(parse_subject(f"acme/planner/sub/a{number}"))
    await core.register("acme/planner0")
    await core.register("acme0/planner")
    for apart in ("acme0/planner", "acme/planner0"):
        await dids.history(parse_subject(apart))
    core.clock.now += 10
    await set_state(core, revoked, "revoked")
    assert await dids.work_off()
    assert await core.database.read(lambda tx: tx.fetch("SELECT 1 FROM did_changes"))
    await settle(dids, core)
    ended = await core.database.read(
        lambda tx: tx.fetch("SELECT 1 FROM did_log WHERE entry LIKE '%\"deactivated\":true%'")
    )
    assert len(ended) == count + (revoked == "acme")
    assert states(await verified(core, dids, parse_subject("acme0/planner"))) == ["active"]


async def test_a_read_sees_what_the_background_has_not_done(core, dids):
    """Also what concerns something above."""
    await dids.history(SEARCH)
    core.clock.now += 10
    await set_state(core, "acme", "suspended")
    assert states(await verified(core, dids, SEARCH)) == ["active", "suspended"]
    await settle(dids, core)
    assert states(await verified(core, dids, SEARCH)) == ["active", "suspended"]


async def test_another_issuer_goes_on_with_a_history(core, dids, tmp_path):
    """Its update keys follow from what issuers share."""
    await dids.history(PLANNER)
    other = await open_histories(core, tmp_path)
    core.clock.now += 10
    await set_state(core, "acme/planner", "suspended")
    assert states(await verified(core, other, PLANNER)) == ["active", "suspended"]


async def test_another_secret_cannot_go_on_with_a_history(core, dids, tmp_path):
    """It would write what every reader refuses: nothing is written, and what waits is kept."""
    before = await dids.history(PLANNER)
    await core.database.transaction(lambda tx: tx.execute("DELETE FROM sealed_secrets"))
    other = await open_histories(core, tmp_path)
    core.clock.now += 10
    await set_state(core, "acme/planner", "suspended")
    with pytest.raises(ConfigurationError, match="another shared secret"):
        await other.work_off()
    core.clock.now += 10
    assert (await dids.history(PLANNER)).startswith(before)
    assert states(await verified(core, dids, PLANNER)) == ["active", "suspended"]


async def test_a_history_moves_with_its_issuer(core, dids, tmp_path):
    """Under another host name it is the same history; the name before is kept as another name."""
    old = (await verified(core, dids, PLANNER)).did
    core.clock.now += 10
    moved = await open_histories(core, tmp_path, host="new.example.org")
    log = await moved.history(PLANNER)
    history = verify_history(log, now=core.clock.now)
    assert history.did == old.replace(HOST, "new.example.org")
    assert old in history.versions[-1].document["alsoKnownAs"]
    assert (await resolve_independently(history.did, log)).document["id"] == history.did
    core.clock.now += 10
    assert await moved.history(PLANNER) == log


async def test_update_keys_are_used_once(core, dids):
    """Each version is signed by a key of its own, which the version before committed to."""
    for second in range(4):
        core.clock.now = NOW + 10 * second
        await set_state(core, "acme/planner", "suspended" if second % 2 else "active")
        await settle(dids, core)
    entries = [json.loads(line) for line in (await dids.history(PLANNER)).splitlines()]
    keys = [key for entry in entries for key in entry["parameters"]["updateKeys"]]
    assert len(set(keys)) == len(entries) == 4


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["acme", "acme/planner", "acme/planner/sub/search"]),
        st.sampled_from(["key", "suspended", "active", "revoked", "read", "drain"]),
        st.integers(0, 3),
    ),
    max_size=14,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_course_of_events_gives_histories_that_others_accept(tmp_path_factory, steps):
    """The last version is what `did.json` says, and the reference implementation agrees at every version."""
    asyncio.run(_course(tmp_path_factory.mktemp("course"), steps))


async def _course(folder, steps):
    core = await open_registry(folder)
    try:
        await core.register("acme/planner")
        await core.register("acme/planner/sub/search")
        dids = await open_histories(core, folder)
        for subject, step, seconds in steps:
            await _take(core, dids, subject, step)
            core.clock.now += seconds
        await settle(dids, core)
        core.clock.now += 3
        for subject in (ACME, PLANNER, SEARCH):
            await _compare(core, dids, subject)
    finally:
        await core.database.close()


async def _take(core, dids, subject, step):
    if step == "drain":
        await dids.work_off()
    elif step == "key":
        await set_key(core, subject, *new_jwk())
    elif step == "read":
        try:
            verify_history(await dids.history(parse_subject(subject)), now=core.clock.now)
        except DeactivatedError:
            return
    elif not await _is_revoked(core, subject):
        await set_state(core, subject, State(step).value)


async def _is_revoked(core, subject):
    account, _, path = subject.partition("/")
    sql = (
        "SELECT agents.state FROM agents JOIN accounts ON accounts.id = account_id WHERE name = $1 AND path = $2"
        if path
        else "SELECT state FROM accounts WHERE name = $1"
    )
    row = await core.database.read(lambda tx: tx.fetch_row(sql, account, *([path] if path else [])))
    return row["state"] == "revoked"


async def _compare(core, dids, subject):
    try:
        log = await dids.history(subject)
    except DeactivatedError:
        return
    history = verify_history(log, now=core.clock.now)
    for version in history.versions:
        theirs = await resolve_independently(history.did, log, version_id=version.version_id)
        assert theirs.document == version.document
        assert theirs.document_metadata["deactivated"] == version.deactivated
    if history.versions[-1].deactivated:
        with pytest.raises(DeactivatedError):
            await dids.document(subject)
    else:
        assert await dids.document(subject) == as_did_web(history.versions[-1].document, HOST, subject)
