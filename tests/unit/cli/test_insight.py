"""`remit insight`: spans of time as people write them."""

import pytest

from cli.insight import parse_span
from remit.errors import InvalidInputError


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600)]
)
def test_a_span_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    """In seconds."""
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "0d", "-1d", "1.5h", "7 d", "7D", "7d\n", "\u0667d", "1000000d"])
def test_anything_else_is_refused(text: str) -> None:
    """With a hint that shows the form."""
    with pytest.raises(InvalidInputError) as refused:
        parse_span(text)
    assert refused.value.hint
