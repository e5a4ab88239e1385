"""What people have in hand for an agent or an account."""

import pytest

from cli.names import agent_named, subject_named
from remit.errors import InvalidInputError
from remit.ids import AccountName, AgentName

_PLANNER = AgentName("acme", "planner")


@pytest.mark.parametrize(
    "text",
    [
        "acme/planner",
        "spiffe://example.org/account/acme/agent/planner",
        "did:web:issuer.example.org:account:acme:agent:planner",
        "did:web:localhost%3A8750:account:acme:agent:planner",
    ],
)
def test_an_agent_is_found_by_each_of_its_names(text: str):
    """Whatever is in hand names the agent."""
    assert agent_named(text) == _PLANNER


@pytest.mark.parametrize("text", ["acme", "did:web:issuer.example.org:account:acme"])
def test_an_account_is_no_agent(text: str):
    """An account is found as such, and refused where an agent is needed."""
    assert subject_named(text) == AccountName("acme")
    with pytest.raises(InvalidInputError, match="names an account"):
        agent_named(text)


@pytest.mark.parametrize(
    "text", ["", "acme/", "acme/../x", "spiffe://example.org/sidecar/a", "did:key:z6", "acme/planner\n"]
)
def test_anything_else_is_refused(text: str):
    """Nothing is repaired or guessed."""
    with pytest.raises(InvalidInputError):
        subject_named(text)
