"""What may be registered under a name, and below one."""

import pytest

from issuer.errors import ConflictError, NotFoundError, RetiredNameError
from issuer.registry.names import refuse_repeats, refuse_reuse, require_living
from issuer.registry.state import State


@pytest.mark.parametrize(
    ("state", "error"),
    [(State.ACTIVE, ConflictError), (State.SUSPENDED, ConflictError), (State.REVOKED, RetiredNameError)],
)
def test_a_name_that_is_there_is_refused(state: State, error: type[Exception]) -> None:
    """That of something revoked for ever, with a code of its own."""
    with pytest.raises(error, match="account acme"):
        refuse_reuse("account acme", state)


def test_a_name_comes_once() -> None:
    """The one that comes twice is named."""
    refuse_repeats("agent", ["a", "b"])
    with pytest.raises(ConflictError, match="agent b comes twice"):
        refuse_repeats("agent", ["a", "b", "c", "b"])


def test_nothing_is_registered_below_what_is_gone_or_was_never_there() -> None:
    """Below something suspended it is: it comes back."""
    states = {"active": State.ACTIVE, "suspended": State.SUSPENDED, "revoked": State.REVOKED}
    require_living("agent", ["active", "suspended"], states, missing="register it first")
    with pytest.raises(ConflictError, match="agent revoked is revoked"):
        require_living("agent", ["active", "revoked"], states, missing="register it first")
    with pytest.raises(NotFoundError, match="there is no agent other") as refused:
        require_living("agent", ["other"], states, missing="register it first")
    assert refused.value.hint == "register it first"
