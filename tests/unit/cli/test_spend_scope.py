"""Spend scopes from the command line and from files."""

from pathlib import Path

import pytest

from cli.spend_scope import build_scope, describe_scope, parse_limit, read_scope
from remit.errors import InvalidInputError
from remit.limits import Interval


@pytest.mark.parametrize(
    ("text", "amount", "interval", "period"),
    [
        ("20 USD daily", 20_000_000, Interval.DAILY, None),
        ("0.05 USD per_authorization", 50_000, Interval.PER_AUTHORIZATION, None),
        ("500 requests hourly", 500, Interval.HOURLY, None),
        ("2 USD rolling 3600", 2_000_000, Interval.ROLLING, 3600),
    ],
)
def test_a_limit_is_written_as_it_is_said(text: str, amount: int, interval: Interval, period: int | None):
    """Amount, unit, interval, and a period for rolling ones."""
    limit = parse_limit(text)

    assert (limit.amount.amount, limit.interval, limit.period) == (amount, interval, period)


@pytest.mark.parametrize(
    "text",
    ["", "20 USD", "20USD daily", "20 USD yearly", "20 XXX daily", "20 USD rolling", "20 USD daily 60", "-1 USD daily"],
)
def test_another_limit_is_refused(text: str):
    """A limit that is not understood is never left out."""
    with pytest.raises(InvalidInputError):
        parse_limit(text)


def test_no_options_mean_no_scope():
    """The issuer is then told of none, instead of an empty one."""
    assert build_scope(None, None, None, None, None) is None


def test_options_become_the_wire_form():
    """Only what was given is restricted."""
    scope = build_scope(["1 USD daily"], ["https://api.example.com/v1/"], None, ["model-a"], None)

    assert scope == {
        "type": "agent_spend",
        "version": 1,
        "locations": ["https://api.example.com/v1/"],
        "models": ["model-a"],
        "spend_limits": [{"amount": 1_000_000, "unit": "USD", "decimals": 6, "interval": "daily"}],
    }


@pytest.mark.parametrize("content", ["", "[]", '{"type":"agent_spend"}', '{"type":"agent_spend","version":1,"x":1}'])
def test_a_file_that_is_no_scope_is_named(tmp_path: Path, content: str):
    """The error says which file."""
    path = tmp_path / "scope.json"
    path.write_text(content)

    with pytest.raises(InvalidInputError, match=str(path)):
        read_scope(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    """The error says which file and why."""
    with pytest.raises(InvalidInputError, match="no such file"):
        read_scope(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "unrestricted"),
        ({"actions": []}, "nothing (no actions)"),
        ({"spend_limits": []}, "no spending"),
        (
            {
                "locations": ["https://a.example/"],
                "spend_limits": [{"amount": 5, "unit": "requests", "decimals": 0, "interval": "rolling", "period": 60}],
            },
            "anything on https://a.example/; 5 requests rolling 60 s",
        ),
        ({"novelty": 1}, '{"type":"agent_spend","version":1,"novelty":1}'),
    ],
)
def test_a_scope_is_described_in_words(more: dict[str, object], said: str):
    """An empty list and an absent one read differently; what is not understood is shown as it is."""
    assert describe_scope({"type": "agent_spend", "version": 1, **more}) == said
