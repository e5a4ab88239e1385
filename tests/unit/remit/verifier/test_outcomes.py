"""The memory of verified tokens is bounded and keeps bound tokens apart."""

from types import SimpleNamespace

from remit.verifier.outcomes import Outcomes


def _accepted(thumbprint=None):
    return (SimpleNamespace(key_thumbprint=thumbprint), "list", 0, 0, 0, 0)


def test_it_never_holds_more_than_its_size():
    """A thousand tokens leave at most what was asked for; the newest is among them."""
    outcomes = Outcomes(None, 30)
    for number in range(1000):
        outcomes.put(f"token-{number}", _accepted())
        outcomes.put(f"bound-{number}", _accepted("jkt"))
    held = [name for kind in ("token", "bound") for name in (f"{kind}-{n}" for n in range(1000)) if outcomes.find(name)]
    assert 0 < len(held) <= 30
    assert outcomes.find("token-999")


def test_a_token_in_use_stays():
    """What is looked up again moves to the younger generation and survives the next change."""
    outcomes = Outcomes(None, 30)
    outcomes.put("used", _accepted())
    for number in range(100):
        outcomes.put(f"token-{number}", _accepted())
        assert outcomes.find("used")


def test_a_bound_token_is_not_on_the_fast_path():
    """The fast path asks for no proof, so it must never see a token that needs one."""
    outcomes = Outcomes(None, 30)
    outcomes.put("bound", _accepted("jkt"))
    assert outcomes.find("bound")
    assert "bound" not in outcomes.young


def test_what_is_no_text_is_not_found():
    """Unhashable and foreign values are not looked up."""
    assert Outcomes(None, 30).find([]) is None
    assert Outcomes(None, 30).find(b"token") is None
