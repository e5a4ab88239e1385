"""The credential: what it authorizes, and what an authorized call says."""

import msgspec
import pytest

from remit.amounts import Amount
from remit.credential import AuthorizedCall
from remit.errors import ScopeRefusedError
from remit.scope import SpendScope
from tests.fakes.credentials import AGENT, make_credential

MESSAGES = "https://api.example.com/v1/messages"


def test_authorized_call_says_who_pays_for_what() -> None:
    """An authorized call carries all that a hold needs, with the location in normal form."""
    call = make_credential(SpendScope()).authorize(
        location="https://API.example.com:443/v1/messages", action="invoke", model="m", amount=Amount.parse("0.05 USD")
    )
    assert call == AuthorizedCall(
        issuer="https://issuer.example.org",
        audience="https://api.example.com",
        jti="j-1",
        agent=AGENT,
        account="acme",
        task="task-81",
        location=MESSAGES,
        action="invoke",
        model="m",
        tool=None,
        estimate=Amount(50000, "USD", 6),
        expires_at=1300,
    )


def test_remembered_calls_stay_refused_and_permitted() -> None:
    """Repeating a call gives the same answer, also after many different ones."""
    credential = make_credential(SpendScope(actions=tuple(f"a{n}" for n in range(100))))
    for _ in range(2):
        for number in range(100):
            assert credential.authorize(action=f"a{number}").action == f"a{number}"
            with pytest.raises(ScopeRefusedError):
                credential.authorize(action=f"b{number}")


def test_an_amount_is_checked_although_the_call_is_remembered() -> None:
    """A call permitted without an estimate is still refused with one that is over the limit."""
    scope = SpendScope.parse(
        b'{"type":"agent_spend","version":1,"spend_limits":[{"amount":1,"unit":"USD","decimals":0,"interval":"daily"}]}'
    )
    credential = make_credential(scope)
    credential.authorize(action="invoke")
    assert credential.authorize(action="invoke", amount=Amount.parse("1 USD")).estimate == Amount(1, "USD", 0)
    with pytest.raises(ScopeRefusedError):
        credential.authorize(action="invoke", amount=Amount.parse("1.01 USD"))
    with pytest.raises(TypeError):
        credential.authorize(action="invoke", amount=1.0)  # type: ignore[arg-type]  # the point of the test


def test_value() -> None:
    """Credentials compare by content, whatever was authorized with them, and their repr is short."""
    first, second = make_credential(SpendScope()), make_credential(SpendScope())
    first.authorize(action="invoke")
    assert first == second
    assert hash(first) == hash(second)
    assert first != make_credential(SpendScope(actions=()))
    assert repr(first) == "Credential(agent='acme/planner', task='task-81', jti='j-1', expires_at=1300)"
    with pytest.raises(AttributeError):
        first.account = "other"  # type: ignore[misc]  # the point of the test
    assert msgspec.structs.replace(first, task=None) != first
