"""Selectors of an entry: never empty, each once, and the one that it is looked up by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.registry.selectors import MAX_SELECTORS, anchor, check_selectors
from remit.errors import InvalidInputError


@pytest.mark.parametrize(
    "selectors",
    [
        [],
        [""],
        ["unix"],
        ["unix:"],
        [":uid"],
        ["Unix:uid:1"],
        ["unix:uid:1\n"],
        ["unix:path:/\x00"],
        ["u:" + "x" * 2049],
    ],
)
def test_what_is_no_selector_is_refused(selectors):
    """An empty set most of all: it would match everybody."""
    with pytest.raises(InvalidInputError):
        check_selectors(selectors)


def test_too_many_are_refused():
    """One more than the most."""
    with pytest.raises(InvalidInputError):
        check_selectors([f"unix:gid:{number}" for number in range(MAX_SELECTORS + 1)])


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        (["unix:uid:0", "unix:path:/opt/acme/planner"], "unix:path:/opt/acme/planner"),
        (["unix:uid:0", "unix:path:/usr/bin/python3.11"], "unix:uid:0"),
        (["unix:path:/p", "launch:script-sha256:ab", "unix:sha256:cd"], "launch:script-sha256:ab"),
        (["oidc:ci:aud:x", "oidc:ci:sub:repo:acme/app"], "oidc:ci:sub:repo:acme/app"),
        (["thing:a", "unix:gid:0"], "unix:gid:0"),
        (["thing:a", "thing:abc"], "thing:abc"),
    ],
)
def test_the_anchor_is_the_most_specific(selectors, expected):
    """What fewest workloads share."""
    assert anchor(check_selectors(selectors)) == expected


@given(st.lists(st.from_regex(r"[a-z]{1,8}:[a-z0-9:/]{1,20}", fullmatch=True), min_size=1, max_size=MAX_SELECTORS))
def test_the_order_in_which_selectors_come_does_not_matter(selectors):
    """They are kept sorted and once each, and the anchor is one of them."""
    checked = check_selectors(selectors)
    assert checked == check_selectors(reversed(selectors))
    assert set(checked) == set(selectors)
    assert anchor(checked) in checked
