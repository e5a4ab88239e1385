"""Locations: RFC 3986 normalisation, what is refused, and what a set of them covers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import InvalidInputError
from remit.locations import LocationSet, normalise_location


@pytest.mark.parametrize(
    ("location", "normal"),
    [
        ("HTTPS://API.Example.com:443/v1/Messages", "https://api.example.com/v1/Messages"),
        ("https://api.example.com", "https://api.example.com/"),
        ("https://api.example.com:", "https://api.example.com/"),
        ("http://api.example.com:080/", "http://api.example.com/"),
        ("https://api.example.com:80/", "https://api.example.com:80/"),
        ("https://a/b/./c/../d/.", "https://a/b/d/"),
        ("https://a/../../b/..", "https://a/"),
        ("https://a/%7euser/%41%2d%c3%a9", "https://a/~user/A-%C3%A9"),
        ("https://a/b/%2E%2e/c", "https://a/c"),
        ("https://a//b/", "https://a//b/"),
        ("https://a?x", "https://a/?x"),
        ("https://a/...", "https://a/..."),
        ("https://a/b?q=%2f%7e/../", "https://a/b?q=%2F~/../"),
        ("https://[2001:DB8::1]:8443/", "https://[2001:db8::1]:8443/"),
    ],
)
def test_normal_form(location: str, normal: str) -> None:
    """Case, port, escapes and dot segments have one form (RFC 3986 sections 6.2.2 and 6.2.3)."""
    assert normalise_location(location) == normal


@pytest.mark.parametrize(
    "location",
    [
        "",
        "a",
        "/a",
        "//a/",
        "ftp://a/",
        "https:/a",
        "https:///a",
        "https://u@a/",
        "https://u:p@a/",
        "https://a/#f",
        "https://a/b%2Fc",
        "https://a/b%2fc",
        "https://a/b%5Cc",
        "https://a/b\\c",
        "https://a/%",
        "https://a/%4",
        "https://a/%zz",
        "https://a/ b",
        "https://a/\n",
        "https://a\n",
        "https://a/é",
        "https://é/",
        "https://a:99999/",
        "https://a:x/",
        "https://a.%2e/",
        "https://a..b/",
        "https://a/" + "b" * 2048,
    ],
)
def test_refuses(location: str) -> None:
    """What two parsers could read differently has no normal form, and the refusal echoes none of it."""
    with pytest.raises(InvalidInputError) as refusal:
        normalise_location(location)
    assert "://" not in refusal.value.detail


PATHS = st.text(alphabet="ab./%2eEfF7", max_size=24)


@given(PATHS)
def test_normalising_twice_changes_nothing(path: str) -> None:
    """The normal form is its own normal form, and no dot segment survives in it."""
    try:
        normal = normalise_location(f"https://h/{path}")
    except InvalidInputError:
        return
    assert normalise_location(normal) == normal
    assert not {".", ".."} & set(normal.split("/"))


def test_covers() -> None:
    """Exact locations cover themselves; those that end in a slash all below; a query makes no prefix."""
    covered = LocationSet(["https://h/exact", "https://h/v1/", "https://h/q?x=/"])
    for inside in ("https://h/exact", "https://h/v1/", "https://h/v1/x/y?z", "https://h/q?x=/"):
        assert covered.covers(inside)
    for outside in (
        "https://h/exact/",
        "https://h/exact?x",
        "https://h/v1",
        "https://h/v10",
        "https://h/q?x=/y",
        "http://h/v1/",
    ):
        assert not covered.covers(outside)
    assert not LocationSet([]).covers("https://h/")
