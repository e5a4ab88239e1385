"""Giving a token back (RFC 7009): what is recorded and who is woken, however often somebody with a key asks."""

import pytest

from issuer.audit.model import AuditQuery
from remit.dpop import Proof
from tests.fakes.authority import authority_over
from tests.fakes.delegating import EDGES_KEY, PARENT, UID, claims, execute, parent_token, with_edge
from tests.fakes.issuing import NOW, open_core


@pytest.fixture
async def core(tmp_path):
    core = await open_core(tmp_path)
    await with_edge(core)
    await core.register(PARENT, UID)
    await execute(core, "UPDATE entries SET sidecar_id = 1")
    yield core
    await core.database.close()


@pytest.mark.parametrize("task", [None, "t"])
async def test_only_what_is_revoked_now_is_recorded_and_told(core, task):
    """Not a token that is unknown or somebody else's, nor one that was given back before."""
    woken = []
    authority = authority_over(core.database, core.clock.ms, changed=lambda: woken.append(True))
    jti = claims(await parent_token(core, task=task))["jti"]

    async def give_back(what, jkt):
        proof = Proof(jkt, "j", NOW, NOW + 65, {})
        await authority.revoke_held_token(what, proof, core.clock.ms(), body_covered=True)
        return len(woken), len(await core.audit.query(AuditQuery(kind="revoke")))

    assert await give_back("0" * 32, EDGES_KEY) == (0, 0)
    assert await give_back(jti, "x" * 43) == (0, 0)
    assert await give_back(jti, EDGES_KEY) == (1, 1)
    assert await give_back(jti, EDGES_KEY) == (1, 1)
