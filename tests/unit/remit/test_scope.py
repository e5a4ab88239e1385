"""The spend scope: its wire form, what it permits, and that narrowing never widens."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.amounts import Amount
from remit.errors import InvalidInputError, ScopeRefusedError
from remit.limits import Interval, SpendLimit
from remit.scope import SpendScope
from tests.fakes.scopes import CALLS, SCOPES, permits

MESSAGES = "https://api.example.com/v1/messages"
WIRE = {
    "type": "agent_spend",
    "version": 1,
    "locations": [MESSAGES],
    "actions": ["invoke"],
    "models": ["model-a"],
    "tools": ["search"],
    "spend_limits": [
        {"amount": 50000, "unit": "USD", "decimals": 6, "interval": "per_authorization"},
        {"amount": 20000000, "unit": "USD", "decimals": 6, "interval": "daily"},
        {"amount": 2000000, "unit": "USD", "decimals": 6, "interval": "rolling", "period": 3600},
        {"amount": 500, "unit": "requests", "decimals": 0, "interval": "daily"},
    ],
    "funding": "jit",
}
CALL = {"location": MESSAGES, "action": "invoke", "model": "model-a", "tool": "search"}


def _limit(text: str, interval: str = "daily", period: int | None = None) -> SpendLimit:
    return SpendLimit(Amount.parse(text), Interval(interval), period)


def test_round_trip() -> None:
    """The whole wire form survives, in its order, and means the same from text, bytes and objects."""
    scope = SpendScope.parse(WIRE)
    assert scope.to_wire() == WIRE
    assert scope.encode() == json.dumps(WIRE, separators=(",", ":")).encode()
    assert SpendScope.parse(scope.encode()) == SpendScope.parse(scope.encode().decode()) == scope


def test_absent_is_not_empty() -> None:
    """An absent list restricts nothing and stays absent; an empty one permits nothing and stays empty."""
    bare = {"type": "agent_spend", "version": 1}
    assert SpendScope.parse(bare).to_wire() == bare
    SpendScope.parse(bare).permits(location=MESSAGES, action="x", model="y", tool="z", amount=Amount.parse("1 EUR"))
    SpendScope.parse(bare).permits()
    for name in ("locations", "actions", "models", "tools", "spend_limits"):
        scope = SpendScope.parse({**bare, name: []})
        assert scope.to_wire() == {**bare, name: []}
        with pytest.raises(ScopeRefusedError):
            scope.permits(**CALL)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "other"},
        {"type": None},
        {"version": 2},
        {"version": 1.0},
        {"version": True},
        {"version": "1"},
        {"extra": 1},
        {"locations": None},
        {"locations": "https://a/"},
        {"locations": [1]},
        {"locations": ["ftp://a/"]},
        {"locations": ["https://a/"] * 257},
        {"actions": [""]},
        {"actions": ["x" * 257]},
        {"models": [["a"]]},
        {"tools": {"a": 1}},
        {"funding": "gift"},
        {"spend_limits": {}},
    ],
)
def test_refuses_what_is_not_a_scope(change: dict[str, object]) -> None:
    """Unknown fields, types, versions and wrong shapes are refused."""
    with pytest.raises(InvalidInputError):
        SpendScope.parse({**WIRE, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 1.0},
        {"amount": True},
        {"amount": "1"},
        {"amount": -1},
        {"amount": 2**53},
        {"unit": "XXX"},
        {"unit": "usd"},
        {"decimals": -1},
        {"decimals": 19},
        {"decimals": None},
        {"interval": "yearly"},
        {"interval": "rolling"},
        {"interval": "rolling", "period": 0},
        {"interval": "rolling", "period": True},
        {"interval": "rolling", "period": 1.5},
        {"period": 60},
        {"extra": 1},
    ],
)
def test_refuses_what_is_not_a_limit(change: dict[str, object]) -> None:
    """Amounts are bounded integers; `rolling` has a period and nothing else does; all else is unknown."""
    limit = {"amount": 1, "unit": "USD", "decimals": 6, "interval": "daily", **change}
    with pytest.raises(InvalidInputError):
        SpendScope.parse({"type": "agent_spend", "version": 1, "spend_limits": [limit]})


def test_does_not_repeat_a_field_that_nobody_knows_at_length() -> None:
    """Its name may be as long as the scope; the beginning tells which it is."""
    with pytest.raises(InvalidInputError, match="unknown field `xxx") as refused:
        SpendScope.parse({"type": "agent_spend", "version": 1, "x" * 10_000: 1})
    assert len(refused.value.detail) < 300


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"agent_spend","version":1,"version":1}',
        b'{"type":"agent_spend","version":1,"actions":["a"],"\\u0061ctions":["b"]}',
        b'{"type":"agent_spend","version":1,"spend_limits":[{"amount":1,"amount":2,"unit":"USD","decimals":6,"interval":"daily"}]}',
        b'{"type":"agent_spend","version":1} x',
        b"\xff",
        b"[]",
        b"",
    ],
)
def test_refuses_ambiguous_json(text: bytes) -> None:
    """A scope that two parsers could read differently is refused."""
    with pytest.raises(InvalidInputError):
        SpendScope.parse(text)


@pytest.mark.parametrize("dimension", ["location", "action", "model", "tool"])
@pytest.mark.parametrize("value", [None, "other", "https://api.example.com/v1/messages/2", "https://api.example.com/"])
def test_refuses_other_and_missing_dimensions(dimension: str, value: str | None) -> None:
    """A call must name every restricted dimension, with a value that is listed; the refusal names the dimension."""
    scope = SpendScope.parse(WIRE)
    scope.permits(**CALL)
    with pytest.raises(ScopeRefusedError, match=dimension):
        scope.permits(**{**CALL, dimension: value})


def test_malformed_location_is_refused_without_restriction() -> None:
    """A location that does not parse is a refusal of the call, whatever the scope lists."""
    with pytest.raises(ScopeRefusedError):
        SpendScope().permits(location="https://user:secret@a/")


def test_prefix() -> None:
    """A location that ends in a slash covers what is below it, after normalisation, and nothing beside it."""
    scope = SpendScope(locations=("https://API.example.com:443/v1/",))
    for within in (
        "https://api.example.com/v1/",
        "https://api.example.com/v1/a/b?c=/../",
        "https://api.example.com/v1/%41",
    ):
        scope.permits(location=within)
    for outside in ("v1", "v1/../v2", "v1/%2e%2e/v2", "v10/", "v1%2f", "v1/a%2Fb", "v1/a%5cb"):
        with pytest.raises(ScopeRefusedError):
            scope.permits(location=f"https://api.example.com/{outside}")


def test_amounts() -> None:
    """An estimate must be within every limit of its unit, by exact scaling; a unit without limits is refused."""
    scope = SpendScope.parse(WIRE)
    for within in (Amount.parse("0.05 USD"), Amount(5, "USD", 2), Amount(1, "requests", 0), None):
        scope.permits(**CALL, amount=within)
    for over in (Amount(50001, "USD", 6), Amount(6, "USD", 2), Amount.parse("501 requests"), Amount.parse("0 EUR")):
        with pytest.raises(ScopeRefusedError):
            scope.permits(**CALL, amount=over)
    with pytest.raises(TypeError):
        scope.permits(**CALL, amount=0.05)  # type: ignore[arg-type]  # the point of the test


def test_narrow_inherits() -> None:
    """What a request leaves out is the parent's; its own limits join the parent's."""
    parent = SpendScope.parse(WIRE)
    assert parent.narrow(None) is parent
    assert parent.narrow(SpendScope()) == parent
    narrowed = parent.narrow(SpendScope(models=(), spend_limits=(_limit("1 USD"),)))
    assert narrowed.models == ()
    assert narrowed.actions == parent.actions
    assert narrowed.funding == "jit"
    assert {limit.window for limit in narrowed.spend_limits or ()} == {
        each.window for each in parent.spend_limits or ()
    }
    assert _limit("1 USD") in (narrowed.spend_limits or ())
    assert parent.narrow(SpendScope(spend_limits=())).spend_limits == ()


@pytest.mark.parametrize(
    ("requested", "named"),
    [
        (SpendScope(locations=("https://api.example.com/",)), "locations"),
        (SpendScope(actions=("invoke", "delete")), "delete"),
        (SpendScope(models=("model-b",)), "model-b"),
        (SpendScope(tools=("shell",)), "shell"),
        (SpendScope(spend_limits=(_limit("20.000001 USD"),)), "20.000001 USD"),
        (SpendScope(spend_limits=(SpendLimit(Amount(2001, "USD", 2), Interval.DAILY),)), "20.01 USD"),
        (SpendScope(spend_limits=(_limit("1 EUR"),)), "EUR"),
        (SpendScope(funding="standing"), "funding"),
    ],
)
def test_narrow_refuses_wider(requested: SpendScope, named: str) -> None:
    """A request that is wider anywhere is refused as a whole, and the refusal says where."""
    with pytest.raises(ScopeRefusedError, match=named) as refusal:
        SpendScope.parse(WIRE).narrow(requested)
    assert refusal.value.code == "scope_too_wide"


def test_subset_inherits_nothing() -> None:
    """Standing alone, a scope without a list or a limit is wider than one that has it."""
    parent = SpendScope(spend_limits=(_limit("1 USD"),))
    assert not SpendScope().is_subset_of(parent)
    assert not SpendScope(spend_limits=(_limit("1 USD", "hourly"),)).is_subset_of(parent)
    assert SpendScope(spend_limits=(_limit("1 USD"), _limit("1 USD", "hourly"))).is_subset_of(parent)
    assert parent.is_subset_of(SpendScope())


@given(parent=SCOPES, requested=SCOPES, call=CALLS)
def test_narrowing_never_widens(parent: SpendScope, requested: SpendScope, call: dict[str, object]) -> None:
    """What a narrowed scope permits, its parent permits and the request asked for."""
    try:
        narrowed = parent.narrow(requested)
    except ScopeRefusedError:
        return
    assert narrowed.is_subset_of(parent)
    if permits(narrowed, call):
        assert permits(parent, call)
        assert permits(requested, call)


@given(child=SCOPES, parent=SCOPES, call=CALLS)
def test_subset_implies_permitted(child: SpendScope, parent: SpendScope, call: dict[str, object]) -> None:
    """A subset permits no call that its parent refuses."""
    if child.is_subset_of(parent) and permits(child, call):
        assert permits(parent, call)


@given(scope=SCOPES)
def test_encoding_is_stable(scope: SpendScope) -> None:
    """Every scope survives its own encoding, byte for byte."""
    assert SpendScope.parse(scope.encode()) == scope
    assert SpendScope.parse(scope.encode()).encode() == scope.encode()


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_garbage_never_crashes(wire: bytes | str) -> None:
    """Whatever comes in, a scope comes out or `InvalidInputError`."""
    try:
        SpendScope.parse(wire)
    except InvalidInputError:
        return
