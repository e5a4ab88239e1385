"""Who may delegate from a token: the holder of its key, or the sidecar that obtained it; and what a bound token's child is bound to."""

import pytest

from attestors.errors import EvidenceRefusedError
from issuer.errors import UnauthenticatedError
from issuer.issuance import Caller, PresentedTokens
from issuer.keys import Purpose
from remit.dpop import Proof
from remit.errors import ProofRefusedError
from tests.fakes.delegating import (
    EDGE,
    EDGES_KEY,
    ENDPOINT,
    PARENT,
    UID,
    claims,
    delegate,
    execute,
    not_delegated,
    parent_token,
    the_one,
    with_edge,
)
from tests.fakes.issuing import ISSUER, NOW, open_core, request

READER = f"{PARENT}/sub/reader"
KEY = "k" * 43


@pytest.fixture
async def core(tmp_path):
    core = await open_core(tmp_path)
    await with_edge(core)
    await core.register(PARENT, UID)
    await execute(core, "UPDATE entries SET sidecar_id = 1")
    yield core
    await core.database.close()


@pytest.fixture
def presented(core):
    return PresentedTokens(core.database, core.keys, ISSUER, 5)


@pytest.fixture
async def bound(core):
    """The parent's tokens are bound to a key of its own."""
    await execute(core, "INSERT INTO subject_keys (jkt, agent_id, jwk, created_at) VALUES ($1, 1, '{}', 0)", KEY)
    await execute(core, "UPDATE entries SET bound = 1, revision = revision + 1")


def by(jkt):
    return Proof(jkt, "j", NOW, NOW + 65, {})


async def test_the_sidecar_that_obtained_it(core, presented):
    """With a proof that covers the body; the child is recorded as obtained by it too."""
    token = await parent_token(core)
    caller, appraisal, delegation = await presented.delegation(token.token, by(EDGES_KEY), NOW, body_covered=True)
    assert caller == EDGE
    assert appraisal.expires_at == token.expires_at
    assert (str(delegation.agent), delegation.grant_id, delegation.jkt) == (PARENT, token.grant, None)
    with pytest.raises(ProofRefusedError):
        await presented.delegation(token.token, by(EDGES_KEY), NOW, body_covered=False)


@pytest.mark.usefixtures("bound")
async def test_the_agent_itself_by_the_key_that_it_is_bound_to(core, presented):
    """RFC 9449 does not cover bodies: nor need an agent's proof."""
    token = await parent_token(core)
    assert claims(token)["cnf"] == {"jkt": KEY}
    caller, _, delegation = await presented.delegation(token.token, by(KEY), NOW, body_covered=False)
    assert (caller, delegation.jkt) == (Caller(f"agent:{PARENT}", None), KEY)


async def test_nobody_else(core, presented):
    """Another key; another sidecar; the key of an agent whose token is not bound to it; a workload's own token has no holder."""
    await execute(core, "INSERT INTO sidecars (id, name, jkt, created_at) VALUES (2, 'edge-2', $1, 0)", "x" * 43)
    await core.register("acme/direct", "unix:uid:7")
    tokens = [
        await parent_token(core),
        await parent_token(core, "acme/direct", "unix:uid:7", caller=Caller("workload:oidc", None)),
    ]
    for token, key in ((tokens[0], "x" * 43), (tokens[0], KEY), (tokens[1], EDGES_KEY), (tokens[1], KEY)):
        with pytest.raises(ProofRefusedError):
            await presented.delegation(token.token, by(key), NOW, body_covered=True)


@pytest.mark.parametrize("state", ["suspended", "revoked"])
async def test_a_stopped_sidecar_does_not(core, presented, state):
    """Whatever it holds."""
    token = await parent_token(core)
    await execute(core, f"UPDATE sidecars SET state = '{state}'")
    with pytest.raises(UnauthenticatedError):
        await presented.delegation(token.token, by(EDGES_KEY), NOW, body_covered=True)


async def test_a_sidecar_that_joined_with_another_key_does_not_by_the_old_one(core, presented):
    """And does by the new one: it is the sidecar that counts."""
    token = await parent_token(core)
    await execute(core, "UPDATE sidecars SET jkt = $1", "n" * 43)
    with pytest.raises(ProofRefusedError):
        await presented.delegation(token.token, by(EDGES_KEY), NOW, body_covered=True)
    assert await presented.delegation(token.token, by("n" * 43), NOW, body_covered=True)


async def test_a_token_by_a_key_that_was_taken_back_is_refused(core, presented):
    """However good everything else about it is."""
    token = await parent_token(core)
    await execute(core, "UPDATE signing_keys SET state = 'revoked' WHERE purpose = 'token'")
    with pytest.raises(EvidenceRefusedError):
        await presented.delegation(token.token, by(EDGES_KEY), NOW, body_covered=True)


async def test_a_token_by_a_key_that_is_retiring_is_good(core, presented):
    """Until the last token that it signed is over."""
    token = await parent_token(core)
    await core.keys.rotate(core.change, Purpose.TOKEN)
    assert await presented.delegation(token.token, by(EDGES_KEY), NOW + 101, body_covered=True)


@pytest.mark.parametrize(("now", "good"), [(NOW + 304, True), (NOW + 305, False), (NOW - 5, True), (NOW - 6, False)])
async def test_its_time_is_looked_at_with_the_leeway(core, presented, now, good):
    """Once at each end."""
    token = await parent_token(core)
    if good:
        assert await presented.delegation(token.token, by(EDGES_KEY), now, body_covered=True)
        return
    with pytest.raises(EvidenceRefusedError) as refused:
        await presented.delegation(token.token, by(EDGES_KEY), now, body_covered=True)
    assert refused.value.code == "evidence_expired"


async def test_a_token_for_a_provider_is_refused(core, presented):
    """Whoever shows it, with whatever key."""
    token = await the_one(core, request(UID, agent=PARENT, caller=EDGE))
    with pytest.raises(EvidenceRefusedError) as refused:
        await presented.delegation(token.token, by(EDGES_KEY), NOW, body_covered=True)
    assert f"{ISSUER}/token" in (refused.value.hint or "")


@pytest.mark.usefixtures("bound")
async def test_the_child_of_a_bound_token_is_bound_to_the_same_key(core):
    """It is no easier to steal than its parent; the holder of that key may delegate from it in turn."""
    child = await delegate(core, await parent_token(core), READER, audience=ENDPOINT)
    grandchild = await delegate(core, child, f"{READER}/sub/x")
    assert claims(child)["cnf"] == claims(grandchild)["cnf"] == {"jkt": KEY}
    assert child.token_type == grandchild.token_type == "DPoP"


@pytest.mark.usefixtures("bound")
@pytest.mark.parametrize("change", ["state = 'revoked'", "state = 'retired'"])
async def test_a_key_that_is_not_its_key_any_more_delegates_nothing(core, change):
    """Also one that was rotated: the agent has a new one, and gets a token that is bound to it."""
    token = await parent_token(core)
    await execute(core, f"UPDATE subject_keys SET {change}, revision = revision + 1")
    assert (await not_delegated(core, token, READER)).code == "no_agent_key"
