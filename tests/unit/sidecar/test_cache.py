"""The cache of answers."""

from sidecar.cache import Answer, AnswerCache, Key, Replies, key_of
from sidecar.issue import IssuedToken, PersonToken, TokenRequest

TOKEN = IssuedToken("acme/planner", "spiffe://example.org/account/acme/agent/planner", "x.y.z", 0, 300)


def answer(expires_at: float = 300.0) -> Answer:
    return Answer((TOKEN,), (), (), Replies(b"", b""), expires_at / 2, expires_at * 0.9, expires_at)


def key(audience: str) -> Key:
    return key_of(b"digest", TokenRequest(audience))


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


def test_what_is_bad_is_dropped_together() -> None:
    """Nobody needs to ask for an answer for it to go; the others stay."""
    cache = AnswerCache(10)
    cache.put(key("a"), answer(100.0))
    cache.put(key("b"), answer(300.0))
    assert cache.drop_where(lambda one: one.expires_at <= 200.0) == 1
    assert cache.get(key("b"), 0.0) is not None
    assert len(cache) == 1


def test_the_key_is_all_that_makes_another_token() -> None:
    """Evidence, audience, agent, task, scope, person and delegation tell answers apart; the reason and a task's life do not."""
    plain = TokenRequest("a")
    others = [
        TokenRequest("b"),
        TokenRequest("a", agent="acme/planner"),
        TokenRequest("a", task="t"),
        TokenRequest("a", scope=b"[]"),
        TokenRequest("a", sub_agent="reader"),
        TokenRequest("a", sub_agent="reader", ttl_seconds=60),
        TokenRequest("a", on_behalf_of=PersonToken.of("person.jwt")),
        TokenRequest("a", on_behalf_of=PersonToken.of("another.jwt")),
    ]
    keys = {key_of(b"1", request) for request in (plain, *others)} | {key_of(b"2", plain)}
    assert len(keys) == 10
    assert key_of(b"1", TokenRequest("a", reason="why", task_ttl_seconds=60)) == key_of(b"1", plain)


def test_a_persons_token_is_nowhere_to_be_seen() -> None:
    """Neither what is kept as a key nor what a log may show of a request holds it."""
    request = TokenRequest("a", on_behalf_of=PersonToken.of("person.jwt"))
    assert "person.jwt" not in repr(key_of(b"1", request)) + repr(request)
