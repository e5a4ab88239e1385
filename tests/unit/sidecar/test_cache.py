"""The cache of answers."""

from sidecar.cache import Answer, AnswerCache, Replies, key_of
from sidecar.issue import IssuedToken, TokenRequest

TOKEN = IssuedToken("acme/planner", "spiffe://example.org/account/acme/agent/planner", "x.y.z", 0, 300)


def answer(expires_at: float = 300.0) -> Answer:
    return Answer((TOKEN,), (), Replies(b"", b""), expires_at / 2, expires_at * 0.9, expires_at)


def key(audience: str) -> tuple[bytes, str, None, None, None]:
    return b"digest", audience, None, None, None


def test_an_answer_is_kept_until_it_expires() -> None:
    """At its last second an answer is there, at its end it is not."""
    cache = AnswerCache(10)
    cache.put(key("a"), answer())
    assert cache.get(key("a"), 299.9) is not None
    assert cache.get(key("a"), 300.0) is None
    assert len(cache) == 0


def test_the_answer_that_was_not_used_for_longest_makes_room() -> None:
    """The cache is bounded; what is in use stays."""
    cache = AnswerCache(2)
    cache.put(key("a"), answer())
    cache.put(key("b"), answer())
    cache.get(key("a"), 0.0)
    cache.put(key("c"), answer())
    assert [cache.get(key(name), 0.0) is not None for name in "abc"] == [True, False, True]


def test_expired_answers_are_dropped_together() -> None:
    """Nobody needs to ask for an expired answer for it to go."""
    cache = AnswerCache(10)
    cache.put(key("a"), answer(100.0))
    cache.put(key("b"), answer(300.0))
    cache.drop_expired(200.0)
    assert len(cache) == 1


def test_the_key_is_all_that_makes_another_token() -> None:
    """Evidence, audience, agent, task and scope tell answers apart; the reason does not."""
    plain = TokenRequest("a")
    others = [
        TokenRequest("b"),
        TokenRequest("a", agent="acme/planner"),
        TokenRequest("a", task="t"),
        TokenRequest("a", scope=b"[]"),
    ]
    keys = {key_of(b"1", request) for request in (plain, *others)} | {key_of(b"2", plain)}
    assert len(keys) == 6
    assert key_of(b"1", TokenRequest("a", reason="why")) == key_of(b"1", plain)
