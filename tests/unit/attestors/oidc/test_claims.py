"""Claims to selectors: paths with dots, lists, odd values."""

import pytest

from attestors.errors import EvidenceRefusedError
from attestors.oidc.claims import check_expected, check_required, claim_at, claim_selectors

KUBERNETES = {
    "kubernetes.io": {"namespace": "prod", "pod": {"name": "planner-0"}},
    "sub": "system:serviceaccount:prod:planner",
}


@pytest.mark.parametrize(
    ("value", "selectors"),
    [
        ("prod", {"oidc:ci:env:prod"}),
        ("a:b", {"oidc:ci:env:a:b"}),
        (True, {"oidc:ci:env:true"}),
        (False, {"oidc:ci:env:false"}),
        (0, {"oidc:ci:env:0"}),
        (["a", 1, True], {"oidc:ci:env:a", "oidc:ci:env:1", "oidc:ci:env:true"}),
        ("", set()),
        (None, set()),
        (1.5, set()),
        ({"a": "b"}, set()),
        ([["a"]], set()),
        ([], set()),
    ],
)
def test_values(value: object, selectors: set[str]) -> None:
    """Text, whole numbers, booleans and lists of them are facts; anything else says nothing."""
    assert claim_selectors("ci", {"env": value}, {"env": "env"}) == selectors  # type: ignore[dict-item]  # odd on purpose


def test_a_dotted_path_finds_names_with_dots() -> None:
    """`kubernetes.io` is one name; the path needs no quoting."""
    assert claim_at(KUBERNETES, "kubernetes.io.namespace") == "prod"
    assert claim_at(KUBERNETES, "kubernetes.io.pod.name") == "planner-0"
    assert claim_at(KUBERNETES, ("kubernetes.io", "pod", "name")) == "planner-0"
    assert claim_at(KUBERNETES, "kubernetes.io.node.name") is None
    assert claim_at(KUBERNETES, ("kubernetes", "io")) is None


def test_a_path_that_can_be_read_in_two_ways_is_refused() -> None:
    """Who controls one of the two claims must not be able to pass for the other."""
    with pytest.raises(EvidenceRefusedError, match="two claims"):
        claim_at({"a.b": "mine", "a": {"b": "theirs"}}, "a.b")
    assert claim_at({"a.b": "mine", "a": {"b": "theirs"}}, ("a", "b")) == "theirs"


def test_a_long_list_is_refused() -> None:
    """A token cannot make the issuer look up thousands of selectors."""
    with pytest.raises(EvidenceRefusedError, match="more than"):
        claim_selectors("ci", {"groups": [str(number) for number in range(65)]}, {"groups": "groups"})


@pytest.mark.parametrize(
    "claims", [{}, {"email_verified": False}, {"email_verified": None}, {"email_verified": [True, "no"]}]
)
def test_an_expected_claim_has_to_be_as_expected(claims: dict[str, object]) -> None:
    """Missing or another value, also as one of a list, is refused."""
    check_expected({"email_verified": True}, {"email_verified": ("true",)})
    with pytest.raises(EvidenceRefusedError):
        check_expected(claims, {"email_verified": ("true",)})  # type: ignore[arg-type]  # odd on purpose


@pytest.mark.parametrize("value", [None, "", [], {}])
def test_a_required_claim_has_to_say_something(value: object) -> None:
    """Empty is as good as missing."""
    check_required({"ref": "x"}, ("ref",))
    with pytest.raises(EvidenceRefusedError, match="no ref"):
        check_required({"ref": value}, ("ref",))  # type: ignore[dict-item]  # odd on purpose
