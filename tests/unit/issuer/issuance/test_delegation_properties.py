"""Random histories of delegation through the real service on a real database: no chain of them ever widens anything."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issuer.persons import OnBehalf
from issuer.registry.model import Page
from issuer.registry.requests import MAX_SUB_AGENT_DEPTH
from remit.errors import RemitError
from remit.ids import AgentName
from remit.scope import SpendScope
from tests.fakes.delegating import EDGE, ENDPOINT, PARENT, UID, claims, delegating, execute, with_edge
from tests.fakes.issuing import NOW, OPERATOR, PAIRWISE, open_core, request
from tests.fakes.scopes import SCOPES

ANA = OnBehalf(PAIRWISE.digest("https://login.example", "ana"), NOW + 500, "login")
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "scope": SCOPES,
        "task": st.sampled_from(["t", "u"]),
        "ttl_seconds": st.integers(1, 400),
        "task_ttl_seconds": st.integers(1, 400),
    },
)
STEPS = st.lists(
    st.tuples(
        st.integers(0, 100),  # whose token, of those that are there
        st.sampled_from(["a", "b"]),  # the sub-agent
        ASKED,
        st.integers(0, 60),  # seconds that pass before
    ),
    min_size=1,
    max_size=14,
)
HIDDEN = {"audience": ENDPOINT, "caller": EDGE}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(root=SCOPES, first=ASKED, on_behalf=st.booleans(), steps=STEPS)
async def test_no_chain_of_delegations_widens_anything(root, first, on_behalf, steps):
    """Each token against the one that it was delegated from, and each grant against the one above it."""
    with tempfile.TemporaryDirectory() as folder:
        core = await open_core(Path(folder))
        try:
            await with_edge(core)
            await core.register(PARENT, UID, scope=root.encode())
            await execute(core, "UPDATE entries SET sidecar_id = 1")
            person = ANA if on_behalf else None
            tokens = [await _issued(core, request(UID, agent=PARENT, person=person, **HIDDEN, **first))]
            for whose, name, asked, seconds in steps if tokens[0] else ():
                core.clock.now += seconds
                parent = tokens[whose % len(tokens)]
                child = await _issued(
                    core, await delegating(core, parent, f"{parent.agent}/sub/{name}", **HIDDEN, **asked)
                )
                if child is not None:
                    _check_token(parent, child, asked)
                    tokens.append(child)
            await _check_grants(core, [token for token in tokens if token is not None])
        finally:
            await core.database.close()


async def _issued(core, wanted):
    (outcome,) = await core.issuance.issue([wanted])
    if isinstance(outcome, RemitError):
        assert outcome.code not in ("internal", "authority_changed"), outcome
        return None
    return outcome[0]


def _check_token(parent, child, asked):
    above, below = claims(parent), claims(child)
    scope = SpendScope.parse(child.scope)
    assert scope.is_subset_of(SpendScope.parse(parent.scope))
    assert scope.funding == SpendScope.parse(parent.scope).funding
    assert below["exp"] <= above["exp"]
    assert below["exp"] - below["iat"] <= asked.get("ttl_seconds", 300)
    assert below["aud"] == ENDPOINT
    assert below["parent_agent"] == above["sub"]
    assert below["amr"] == ["parent_asserted"]
    assert below.get("txn") == above.get("txn", asked.get("task"))
    assert below.get("on_behalf_of") == above.get("on_behalf_of")
    assert below["status"] != above["status"]
    assert AgentName.parse(child.agent).depth == AgentName.parse(parent.agent).depth + 1 <= MAX_SUB_AGENT_DEPTH


async def _check_grants(core, tokens):
    grants = {
        grant.id: grant for grant in await core.registry.grants(OPERATOR, Page(limit=1000), agent=None, task=None)
    }
    for token in tokens:
        assert SpendScope.parse(token.scope).is_subset_of(_without_funding(grants[token.grant]))
    for grant in grants.values():
        if grant.parent is None:
            continue
        above = grants[grant.parent]
        assert SpendScope.parse(bytes(grant.scope)).is_subset_of(_without_funding(above))
        assert above.expires_at is None or grant.expires_at is not None
        assert above.expires_at is None or grant.expires_at <= above.expires_at
        assert grant.on_behalf >= above.on_behalf
        assert above.task in (None, grant.task)
    places = [(grant.status_list, grant.status_index) for grant in grants.values()]
    assert len(set(places)) == len(places)


def _without_funding(grant):
    wire = SpendScope.parse(bytes(grant.scope)).to_wire()
    return SpendScope.parse({name: value for name, value in wire.items() if name != "funding"})
