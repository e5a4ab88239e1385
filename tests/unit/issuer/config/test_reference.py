"""The reference page names every key, with its default."""

from pathlib import Path

import msgspec
import pytest

from issuer.config import Config, HTTPConfig, KeysConfig, LogConfig, StatusConfig, TokensConfig

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "configuration.md").read_text()
SECTIONS = {"http": HTTPConfig, "tokens": TokensConfig, "keys": KeysConfig, "status": StatusConfig, "log": LogConfig}
KEYS = [
    *[(f"{name}.{field.name}", field) for name, kind in SECTIONS.items() for field in msgspec.structs.fields(kind)],
    *[(field.name, field) for field in msgspec.structs.fields(Config) if field.name not in SECTIONS],
]


@pytest.mark.parametrize(("key", "field"), KEYS, ids=[key for key, _ in KEYS])
def test_every_key_is_documented(key, field):
    """A key that is added, or a default that changes, changes the page."""
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{key}` |")]
    if field.default and isinstance(field.default, int | str):
        assert str(field.default) in row.split("|")[2]


def test_nothing_else_is_documented():
    """A key that is gone leaves the page."""
    rows = [line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(key for key, _ in KEYS)
