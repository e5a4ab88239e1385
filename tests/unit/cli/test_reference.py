"""docs/reference/cli.md."""

from pathlib import Path

from cli.reference import reference

_DOCUMENT = Path(__file__).parents[3] / "docs/reference/cli.md"


def test_the_reference_is_current():
    """What is in the repository is what the application says; `python -m cli.reference` writes it."""
    assert _DOCUMENT.read_text() == reference()
