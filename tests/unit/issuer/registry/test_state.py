"""The pure rule: what a chain of states is worth."""

from hypothesis import given
from hypothesis import strategies as st

from issuer.registry.state import State, StatusValue, effective, status_value


def test_an_empty_chain_is_no_authority():
    """Nothing above and nothing itself: revoked."""
    assert effective([]) is State.REVOKED


@given(st.lists(st.sampled_from(State), min_size=1))
def test_the_worst_link_decides(states):
    """Revoked before suspended before active."""
    worst = max(states, key=[State.ACTIVE, State.SUSPENDED, State.REVOKED].index)
    assert effective(states) is worst


def test_the_status_list_has_a_value_for_each_state():
    """Those of the Token Status List draft."""
    assert [status_value(state) for state in State] == [StatusValue.VALID, StatusValue.SUSPENDED, StatusValue.INVALID]
