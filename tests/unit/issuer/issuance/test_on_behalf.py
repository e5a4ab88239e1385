"""Acting for a person, on a real database: whose grants, which reference, until when, and what stops it."""

import asyncio

import pytest

from issuer.audit.model import AuditQuery, Outcome
from issuer.authority.model import Completion
from issuer.persons import OnBehalf
from issuer.registry.model import Page
from issuer.registry.requests import NewGrant
from remit.errors import RemitError
from remit.scope import SpendScope
from tests.fakes.authority import authority_over
from tests.fakes.delegating import EDGE, ENDPOINT, PARENT, UID, claims, delegate, execute, the_one, with_edge
from tests.fakes.interposing import Interposing
from tests.fakes.issuing import AUDIENCE, MAX_OPEN_TASKS, NOW, OPERATOR, PAIRWISE, open_core, request


def person(subject="ana", expires_at=NOW + 3600):
    return OnBehalf(PAIRWISE.digest("https://login.example", subject), expires_at, "login")


ANA, BEN = person("ana"), person("ben")


@pytest.fixture
async def core(tmp_path):
    core = await open_core(tmp_path, wrap=Interposing)
    await with_edge(core)
    await core.register(PARENT, UID, scope=b'{"type":"agent_spend","version":1,"models":["a","b"]}')
    await execute(core, "UPDATE entries SET sidecar_id = 1")
    yield core
    await core.database.close()


def wanted(who=ANA, **more):
    return request(UID, agent=PARENT, caller=EDGE, person=who, **more)


async def refusal(core, **more):
    (outcome,) = await core.issuance.issue([wanted(**more)])
    assert isinstance(outcome, RemitError)
    return outcome


async def stop(core, state="revoked", where="1 = 1", table="persons"):
    await execute(core, f"UPDATE {table} SET state = '{state}', revision = revision + 1 WHERE {where}")


async def test_a_token_says_on_whose_behalf(core):
    """By a reference, in its place among the claims; nothing else of the person."""
    said = claims(await the_one(core, wanted(task="t")))
    assert list(said) == [
        "iss", "sub", "aud", "iat", "nbf", "exp", "jti", "tenant", "sub_profile", "on_behalf_of", "txn",
        "authorization_details", "status",
    ]  # fmt: skip
    assert said["on_behalf_of"] == PAIRWISE.reference(ANA.digest, AUDIENCE)
    assert "on_behalf_of" not in claims(await the_one(core, request(UID, agent=PARENT, caller=EDGE)))


async def test_the_reference_is_pairwise(core):
    """The same for one provider each time; two providers, or two persons, never share one."""

    async def of(who, audience):
        return claims(await the_one(core, wanted(who, audience=audience)))["on_behalf_of"]

    one, again, other, ben = [
        await of(ANA, "https://a.example"),
        await of(ANA, "https://a.example"),
        await of(ANA, "https://b.example"),
        await of(BEN, "https://a.example"),
    ]
    assert one == again
    assert len({one, other, ben}) == 3
    assert len(one) == 22


async def test_each_person_has_grants_of_their_own(core):
    """Opened under the agent's: for the task if that has one; each with its own place in the status list."""
    plain, task = [await the_one(core, request(UID, agent=PARENT, caller=EDGE, **more)) for more in ({}, {"task": "t"})]
    issued = {
        (who.digest, name): await the_one(core, wanted(who, **({"task": name} if name else {})))
        for who in (ANA, BEN)
        for name in (None, "t", "u")
    }
    assert len({one.grant for one in (plain, task, *issued.values())}) == 8
    rows = {grant.id: grant for grant in await core.registry.grants(OPERATOR, Page(), agent=None, task=None)}
    assert len({rows[one.grant].status_index for one in issued.values()}) == 6
    above = {None: plain.grant, "t": task.grant, "u": plain.grant}
    for (_, name), one in issued.items():
        grant = rows[one.grant]
        assert (grant.on_behalf, grant.delegated, grant.parent) == (True, False, above[name])
    again = await the_one(core, wanted(ANA, task="t"))
    assert again.grant == issued[ANA.digest, "t"].grant


async def test_a_person_is_opened_once_by_whoever_comes_first(core):
    """Sixteen at the same time share the row and the grant."""
    outcomes = await asyncio.gather(*(the_one(core, wanted()) for _ in range(16)))
    assert len({one.grant for one in outcomes}) == 1
    rows = await core.database.read(lambda tx: tx.fetch("SELECT digest FROM persons"))
    assert [row["digest"] for row in rows] == [ANA.digest]


@pytest.mark.parametrize("task", [None, "t"])
@pytest.mark.parametrize("state", ["suspended", "revoked"])
async def test_a_stopped_person_is_acted_for_no_more(core, state, task):
    """The agent's own authority, and what it has from others, stand."""
    more = {"task": task} if task else {}
    await the_one(core, wanted(**more))
    await the_one(core, wanted(BEN, **more))
    await stop(core, state, f"digest = '{ANA.digest}'")
    error = await refusal(core, **more)
    assert (error.code, state in error.detail) == ("person_not_active", True)
    assert claims(await the_one(core, wanted(BEN, **more)))["on_behalf_of"]
    assert await the_one(core, request(UID, agent=PARENT, caller=EDGE, **more))


@pytest.mark.parametrize("moment", ["opening", "record"])
async def test_a_person_that_is_stopped_meanwhile_gets_no_token(core, moment):
    """Also one who was never heard of before, and was stopped at that very moment."""
    if moment == "record":
        await the_one(core, wanted())
        core.database.before = [lambda: stop(core)]
    else:
        made = f"INSERT INTO persons (digest, state, created_at) VALUES ('{ANA.digest}', 'revoked', 0)"
        core.database.before = [lambda: execute(core, made)]
    assert (await refusal(core)).code == "person_not_active"
    opened = await core.audit.query(AuditQuery(kind="grant.open"))
    assert len(opened) == (moment == "record")


async def test_a_persons_grant_that_was_revoked_stays_so(core):
    """For as long as the agent has the grant that it was opened under; with a new one, a new one is opened."""
    before = await the_one(core, wanted())
    await stop(core, where=f"id = '{before.grant}'", table="grants")
    assert (await refusal(core)).code == "no_grant"
    await stop(core, where="person_id IS NULL", table="grants")
    assert (await refusal(core)).code == "no_grant"
    await core.registry.create_grant(core.change, NewGrant(agent=PARENT))
    assert (await the_one(core, wanted())).grant != before.grant


async def test_a_task_that_is_done_is_not_taken_up_for_a_person(core):
    """The agent's grant for it was revoked: nobody's is opened under it."""
    task = await the_one(core, request(UID, agent=PARENT, caller=EDGE, task="t"))
    await stop(core, where=f"id = '{task.grant}'", table="grants")
    assert (await refusal(core, task="t")).code == "no_grant"


async def test_it_ends_no_later_than_the_persons_token(core):
    """Which is fresh each time: a decision on it is not remembered."""
    assert (await the_one(core, wanted(person(expires_at=NOW + 50)))).expires_at == NOW + 50
    assert (await the_one(core, wanted(person(expires_at=NOW + 400)))).expires_at == NOW + 300
    assert (await refusal(core, who=person(expires_at=NOW + 2))).code == "evidence_expired"


async def test_scope_and_tasks_are_the_agents(core):
    """Nothing is wider for being on somebody's behalf."""
    token = await the_one(core, wanted(scope=SpendScope(models=("a",))))
    assert SpendScope.parse(token.scope).models == ("a",)
    assert SpendScope.parse((await the_one(core, wanted())).scope).models == ("a", "b")
    assert (await refusal(core, scope=SpendScope(models=("z",)))).code == "scope_too_wide"
    for number in range(MAX_OPEN_TASKS):
        await the_one(core, wanted(task=f"t-{number}"))
    assert (await refusal(core, task="more")).code == "too_many_tasks"


async def test_a_sub_agent_acts_for_the_same_person(core):
    """With the reference for its own audience; the person's state ends that too."""
    token = await the_one(core, wanted(audience=ENDPOINT))
    child = await delegate(core, token, f"{PARENT}/sub/reader", audience="https://b.example")
    assert claims(child)["on_behalf_of"] == PAIRWISE.reference(ANA.digest, "https://b.example")
    assert claims(token)["on_behalf_of"] == PAIRWISE.reference(ANA.digest, ENDPOINT)
    plain = await the_one(core, request(UID, agent=PARENT, caller=EDGE, audience=ENDPOINT))
    other = await delegate(core, plain, f"{PARENT}/sub/reader", audience="https://b.example")
    assert "on_behalf_of" not in claims(other)
    assert other.grant != child.grant


async def test_the_audit_log_has_the_reference_only(core):
    """Of what was issued and of what was refused."""
    await the_one(core, wanted())
    await stop(core)
    await refusal(core)
    issued, refused = await core.audit.query(AuditQuery(kind="issuance"))
    reference = PAIRWISE.reference(ANA.digest, AUDIENCE)
    assert (issued.detail["on_behalf_of"], refused.detail["on_behalf_of"]) == (reference, reference)
    assert refused.outcome is Outcome.REFUSED
    assert ANA.digest not in str(await core.audit.query(AuditQuery(limit=1000)))


async def test_a_change_of_who_one_is_changes_all():
    """Issuer and subject both count, and their border too; the secret is what hides them."""
    digests = {
        PAIRWISE.digest(issuer, subject)
        for issuer, subject in [("https://a", "b"), ("https://a", "bc"), ("https://ab", "c"), ("https://a/", "b")]
    }
    assert len(digests) == 4
    assert "secret" not in repr(PAIRWISE)


async def end_task(core):
    """Complete the task `t` of whomever it is."""
    authority = authority_over(core.registry._database, core.clock.ms)
    await authority.complete(core.change, Completion("t"))


@pytest.mark.parametrize("who", [ANA, BEN, None])
@pytest.mark.parametrize("meanwhile", [False, True])
async def test_a_task_that_is_over_is_over_on_whoevers_behalf(core, who, meanwhile):
    """Else the agent would go on with it for another person, or for nobody; also if it asked a moment before."""
    await the_one(core, wanted(task="t"))
    if meanwhile:
        core.database.before = [lambda: end_task(core)]
    else:
        await end_task(core)
    assert (await refusal(core, who=who, task="t")).code == "no_grant"
    assert core.database.before == []


async def test_a_task_goes_on_for_others_when_one_persons_part_is_revoked(core):
    """As long as somebody's is not."""
    await the_one(core, wanted(task="t"))
    await the_one(core, wanted(BEN, task="t"))
    await stop(core, table="grants", where="task = 't' AND person_id = 1")
    assert (await refusal(core, task="t")).code == "no_grant"
    await the_one(core, wanted(BEN, task="t"))
    await the_one(core, wanted(person("cem"), task="t"))
