"""What goes to stdout, for people and for programs."""

import json

import pytest

from cli.output import Format, print_item, print_json_line, print_list, printable, readable, utc


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("created_at", 0, "1970-01-01 00:00:00Z"),
        ("committed_at_ms", 1_700_000_000_123, "2023-11-14 22:13:20.123Z"),
        ("seq", 1_700_000_000, "1700000000"),
        ("owner", None, "-"),
        ("owner", "", "-"),
        ("selectors", ["unix:uid:1", "unix:gid:1"], "unix:uid:1, unix:gid:1"),
        ("ready", True, "yes"),
        ("scope", {"type": "agent_spend"}, '{"type":"agent_spend"}'),
    ],
)
def test_values_are_shown_as_people_read_them(key: str, value: object, shown: str):
    """Times become UTC, lists become text, nothing becomes a dash."""
    assert readable(key, value) == shown


def test_a_number_that_is_no_time_stays_a_number():
    """An absurd `…_at` of a broken server is shown, not a traceback."""
    assert utc(10**18) == str(10**18)


def test_control_characters_of_others_never_reach_the_terminal():
    """A reason that an agent wrote cannot move the cursor or colour the screen."""
    assert printable("red \x1b[31m, bell \x07, line\nbreak, ümlaut") == r"red \x1b[31m, bell \x07, line\nbreak, ümlaut"


def test_a_list_is_a_table_with_its_columns_whole(capsys: pytest.CaptureFixture[str]):
    """Off a terminal no cell is cut short, whatever its length."""
    long = "x" * 300

    print_list([{"name": "acme", "owner": long}], ("name", "owner", "state"), Format.TABLE)

    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["NAME", "OWNER", "STATE"]
    assert row.split() == ["acme", long, "-"]


def test_json_has_every_key_and_times_as_integers(capsys: pytest.CaptureFixture[str]):
    """`-o json` shows what the issuer answered, not what the table has room for."""
    items = [{"name": "acme", "created_at": 7, "hidden": [1]}]

    print_list(items, ("name",), Format.JSON)

    assert json.loads(capsys.readouterr().out) == items


def test_markup_in_values_is_text(capsys: pytest.CaptureFixture[str]):
    """A name such as `[red]` is not an instruction to the table."""
    print_item({"name": "[red]x[/red] :smile:"}, Format.TABLE)

    assert "[red]x[/red] :smile:" in capsys.readouterr().out


def test_a_stream_has_one_document_a_line(capsys: pytest.CaptureFixture[str]):
    """`audit tail -o json` can be read line by line."""
    print_json_line({"a": "1\n2"})

    assert capsys.readouterr().out == '{"a":"1\\n2"}\n'
