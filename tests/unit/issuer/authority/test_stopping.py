"""What the words in hand mean, and what stopping it does; over HTTP, with real tokens."""

import pytest

from attestors.base import Appraisal
from issuer.issuance import Caller, IssuanceRequest
from tests.fakes.admin_issuer import running

WHY = {"reason": "a test"}
SELECTOR = "oidc:ci:sub:planner"


@pytest.fixture
async def issuer(tmp_path):
    async with running(tmp_path) as issuer:
        await issuer.register("acme/planner")
        entry = {"agent": "acme/planner", "selectors": [SELECTOR]}
        await issuer.call("POST", "/entries", entry, status=201)
        yield issuer


async def issue(issuer, task: str | None = None):
    """One agent token."""
    request = IssuanceRequest(
        caller=Caller("workload:oidc", None),
        appraisal=Appraisal(frozenset({SELECTOR}), "a test"),
        audience="https://api.example.com",
        task=task,
    )
    return await issuer.services.issuance.issue([request])


async def issued(issuer, task: str | None = None):
    """The credential of one token that must be issued."""
    ((credential,),) = await issue(issuer, task)
    return credential


async def jti_of(issuer) -> str:
    """The `jti` of the last token."""
    return (await issuer.records(kind="issuance"))[-1].jti


async def meaning(issuer, what: str) -> tuple[str, str]:
    """Kind and id of what it resolves to."""
    resolved = await issuer.call("POST", "/resolve", {"what": what}, status=200)
    return resolved["kind"], resolved["id"]


async def test_everything_in_hand_resolves(issuer):
    """Names, SPIFFE IDs, DIDs, tokens, a jti, a grant's id and a task, with a prefix or without."""
    await issuer.call("POST", "/join-tokens", {"sidecar": "edge-1"}, status=201)
    credential = await issued(issuer, "task-81")
    jti, grant = await jti_of(issuer), credential.grant
    for what, expected in {
        "acme": ("account", "acme"),
        "account:acme": ("account", "acme"),
        "did:web:issuer.example.org:account:acme": ("account", "acme"),
        "acme/planner": ("agent", "acme/planner"),
        "agent:acme/planner": ("agent", "acme/planner"),
        "spiffe://example.org/account/acme/agent/planner": ("agent", "acme/planner"),
        "did:web:issuer.example.org:account:acme:agent:planner": ("agent", "acme/planner"),
        grant: ("grant", grant),
        f"grant:{grant}": ("grant", grant),
        "task-81": ("task", "task-81"),
        "task:task-81": ("task", "task-81"),
        jti: ("token", jti),
        f"jti:{jti}": ("token", jti),
        credential.token: ("token", jti),
        f" {credential.token}\n": ("token", jti),
        "spiffe://example.org/sidecar/edge-1": ("sidecar", "edge-1"),
        "sidecar:edge-1": ("sidecar", "edge-1"),
        "operator:root": ("operator", "root"),
    }.items():
        assert await meaning(issuer, what) == expected, what


async def test_what_names_several_things_is_not_guessed(issuer):
    """The hint lists them; a prefix settles it."""
    await issued(issuer, "acme")
    problem = await issuer.call("POST", "/revoke", {"what": "acme", **WHY}, status=409)
    assert problem["code"] == "conflict"
    assert problem["hint"] == "say account:acme or task:acme"
    assert await meaning(issuer, "task:acme") == ("task", "acme")


@pytest.mark.parametrize(
    "what", ["nobody", "nobody/none", "task:none", "jti:none", "grant:none", "sidecar:none", "agent:acme"]
)
async def test_what_is_not_there_is_not_found(issuer, what):
    """404, with what may be named."""
    assert (await issuer.call("POST", "/revoke", {"what": what, **WHY}, status=404))["code"] == "not_found"


async def test_an_answer_says_what_it_was_done_to(issuer):
    """With the grants below, how many changed, the number of the change, and when it was durable."""
    answer = await issuer.call("POST", "/suspend", {"what": "acme/planner", **WHY}, status=200)
    assert answer["resolved"]["description"] == "agent acme/planner and 1 grant below it, suspended"
    assert (answer["resolved"]["state"], len(answer["resolved"]["grants"])) == ("suspended", 1)
    assert answer["changed"] == {"grants": 1}
    assert answer["seq"] == (await issuer.call("GET", "/status"))["seq"]
    assert answer["committed_at_ms"] == issuer.clock.ms
    (record,) = await issuer.records(kind="suspend")
    assert (record.actor, record.agent, record.detail["reason"]) == ("operator:root", "acme/planner", "a test")


async def test_revoking_a_token_of_standing_authority_revokes_its_index_for_good(issuer):
    """The agent goes on with a fresh index; the old one stays invalid whatever is suspended and resumed."""
    first = await issued(issuer)
    (old,) = [item for item in (await issuer.call("GET", "/grants"))["items"] if item["id"] == first.grant]
    stopped = await issuer.call("POST", "/revoke", {"what": first.token, **WHY}, status=200)
    assert stopped["changed"] == {"grants": 1}
    second = await issued(issuer)
    fresh = await issuer.call("GET", f"/grants/{first.grant}")
    assert (second.grant, fresh["state"]) == (first.grant, "active")
    assert fresh["status_index"] != old["status_index"]
    await issuer.call("POST", "/suspend", {"what": "acme", **WHY})
    await issuer.call("POST", "/resume", {"what": "acme", **WHY})
    marked = dict((await issuer.services.statuses.snapshot(old["status_list"])).marked)
    assert marked == {old["status_index"]: 1}
    again = await issuer.call("POST", "/revoke", {"what": first.token, **WHY}, status=200)
    assert again["changed"] == {"grants": 0}
    assert (await issuer.call("GET", f"/grants/{first.grant}"))["status_index"] == fresh["status_index"]


async def test_revoking_a_token_of_a_task_ends_the_task_for_good(issuer):
    """Its grant is revoked and never opened again; other authority of the agent goes on."""
    credential = await issued(issuer, "task-81")
    await issuer.call("POST", "/revoke", {"what": f"jti:{await jti_of(issuer)}", **WHY}, status=200)
    assert (await issuer.call("GET", f"/grants/{credential.grant}"))["effective"] == "revoked"
    (refused,) = await issue(issuer, "task-81")
    assert refused.code == "no_grant"
    await issued(issuer, "task-82")


async def test_revoking_a_standing_grant_revokes_the_tasks_opened_under_it(issuer):
    """Their authority came from it; a grant that an operator gave for a task did not."""
    opened = await issued(issuer, "task-81")
    given = await issuer.call("POST", "/grants", {"agent": "acme/planner", "task": "given"}, status=201)
    standing = (await issued(issuer)).grant
    stopped = await issuer.call("POST", "/revoke", {"what": standing, **WHY}, status=200)
    assert stopped["changed"] == {"grants": 2}
    assert (await issuer.call("GET", f"/grants/{opened.grant}"))["effective"] == "revoked"
    assert (await issuer.call("GET", f"/grants/{given['id']}"))["effective"] == "active"


async def test_revoked_is_final(issuer):
    """Revoking again changes nothing; suspending and resuming are refused."""
    await issuer.call("POST", "/revoke", {"what": "acme/planner", **WHY}, status=200)
    again = await issuer.call("POST", "/revoke", {"what": "acme/planner", **WHY}, status=200)
    assert again["changed"] == {"grants": 0}
    for verb in ("suspend", "resume"):
        assert (await issuer.call("POST", f"/{verb}", {"what": "acme/planner", **WHY}, status=409))[
            "code"
        ] == "conflict"


async def test_a_stopped_agent_gets_no_token_until_it_is_resumed(issuer):
    """The refusal says why."""
    await issuer.call("POST", "/suspend", {"what": "acme", **WHY})
    (refused,) = await issue(issuer)
    assert refused.code == "agent_not_active"
    await issuer.call("POST", "/resume", {"what": "acme", **WHY})
    await issued(issuer)


async def test_a_token_is_never_stored_or_shown(issuer):
    """Neither in the audit log nor in the answer."""
    token = (await issued(issuer)).token
    answer = await issuer.call("POST", "/revoke", {"what": token, **WHY}, status=200)
    assert token not in str(answer)
    assert token not in str(await issuer.records())


async def test_a_task_of_several_accounts_is_recorded_for_each_that_changed(issuer):
    """So each account's owner sees it; one whose grant was revoked before has no further record."""
    await issuer.register("zeta/planner", account="zeta")
    await issuer.register("late/planner", account="late")
    agents = ("acme/planner", "late/planner", "zeta/planner")
    for agent in agents:
        await issuer.call("POST", "/grants", {"agent": agent, "task": "shared"}, status=201)
    await issuer.call("POST", "/suspend", {"what": "task:shared", "reason": "odd"}, status=200)
    suspended = await issuer.records(kind="suspend")
    assert [(record.account, record.agent) for record in suspended] == [(agent[:4], agent) for agent in agents]
    assert [record.detail["changed_grants"] for record in suspended] == [1, 1, 1]
    owner = await issuer.operator("late-operator", "operator", "late")
    await issuer.call("POST", "/revoke", {"what": "task:shared", "reason": "done"}, token=owner, status=200)
    answer = await issuer.call("POST", "/revoke", {"what": "task:shared", "reason": "over"}, status=200)
    assert answer["changed"]["grants"] == 2
    revoked = await issuer.records(kind="revoke")
    assert [record.account for record in revoked] == ["late", "acme", "zeta"]
    await issuer.call("POST", "/revoke", {"what": "task:shared", "reason": "again"}, status=200)
    assert (await issuer.records(kind="revoke"))[-1].detail["changed_grants"] == 0
