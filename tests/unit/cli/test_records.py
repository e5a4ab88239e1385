"""Files of records to register."""

from pathlib import Path

import pytest

from cli.bulk import in_order
from cli.records import read_records
from remit.errors import InvalidInputError

_LINES = Path("records.jsonl")
_TOML = Path("records.toml")


def test_json_lines_keep_their_line_numbers():
    """Empty lines are skipped and still counted."""
    records = read_records(_LINES, b'{"kind":"account","name":"acme"}\n\n{"kind":"agent","agent":"acme/a"}\n')

    assert [(record.line, record.fields["kind"]) for record in records] == [(1, "account"), (3, "agent")]


def test_toml_tables_have_the_lines_of_their_headers():
    """An error about the second agent names the line of its `[[agent]]`."""
    text = b'# people\n[[account]]\nname = "acme"\n\n[[agent]]\nagent = "acme/a"\n[[ agent ]] # two\nagent = "acme/b"\n'

    records = read_records(_TOML, text)

    assert [(record.line, record.fields) for record in records] == [
        (2, {"kind": "account", "name": "acme"}),
        (5, {"kind": "agent", "agent": "acme/a"}),
        (7, {"kind": "agent", "agent": "acme/b"}),
    ]


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        (_LINES, b'{"kind":"account"}\nnot json\n', "line 2: not a JSON object"),
        (_LINES, b"[1]\n", "line 1: not a JSON object"),
        (_LINES, b'{"kind":"operator"}\n', "line 1: kind is none of"),
        (_LINES, b"{}\n", "line 1: kind is none of"),
        (_LINES, b"\n\n", "holds no records"),
        (_LINES, b"\xff", "not UTF-8"),
        (_TOML, b"[[agent]\n", "line 1"),
        (_TOML, b"[[agents]]\n", "unknown table 'agents'"),
        (_TOML, b"[agent]\n", "agent is not a list of tables"),
        (_TOML, b"", "holds no records"),
    ],
)
def test_a_wrong_file_is_refused_before_anything_is_sent(path: Path, content: bytes, said: str):
    """The error names the file and the line."""
    with pytest.raises(InvalidInputError, match=said):
        read_records(path, content)


def test_accounts_come_before_their_agents_whatever_the_file_says():
    """Order within a kind is kept."""
    lines = b"\n".join(
        b'{"kind":"%s","n":%d}' % (kind, n) for n, kind in enumerate((b"grant", b"agent", b"account", b"agent"))
    )

    ordered = in_order(read_records(_LINES, lines))

    assert [(record.fields["kind"], record.fields["n"]) for record in ordered] == [
        ("account", 2),
        ("agent", 1),
        ("agent", 3),
        ("grant", 0),
    ]
