"""Answers that were issued, until they are renewed, expire, or their grant is revoked. Pure: time is an argument.

Times are seconds of a clock that counts while the machine sleeps (`CLOCK_BOOTTIME`), taken at receipt: neither a clock that
is set nor one that differs from the issuer's makes a token look fresher than it is.
"""

from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from sidecar.issue import IssuedToken, TokenRequest

LATE_FRACTION = 0.9
"""After this part of its life an answer is no longer given while a newer one can be had."""

Key = tuple[bytes, str, str | None, str | None, bytes | None, str | None, int | None, bytes | None]


def key_of(digest: bytes, request: TokenRequest) -> Key:
    """What makes two requests the same: everything but the reason and the task's life, which change no token.

    A person's token is in it by its digest only.
    """
    person = request.on_behalf_of.digest if request.on_behalf_of is not None else None
    return (
        digest,
        request.audience,
        request.agent,
        request.task,
        request.scope,
        request.sub_agent,
        request.ttl_seconds,
        person,
    )


class StatusEntry(Struct, frozen=True):
    """Where a token's status is published (`status.status_list` of its claims)."""

    uri: str
    index: int


class Replies(Struct, frozen=True):
    """What a workload is sent.

    Attributes:
        grpc: a `JWTSVIDResponse` with every token that is bound to no key, or None: there is no such token.
        http: the JSON of the first token, which is that of the most specific entry.
    """

    grpc: bytes | None
    http: bytes


class Answer(Struct, frozen=True):
    """What a workload gets, encoded once.

    Attributes:
        tokens: at least one, the most specific entry's first.
        statuses: one for each token.
        kids: the names of the keys that signed them.
        replies: the encoded answers; the same key asks for the same bytes.
        renew_at: half of its life.
        late_at: see `LATE_FRACTION`.
        expires_at: its end.
        jkt: the thumbprint of the key that the first token is bound to, or None.
    """

    tokens: tuple[IssuedToken, ...]
    statuses: tuple[StatusEntry, ...]
    kids: tuple[str, ...]
    replies: Replies
    renew_at: float
    late_at: float
    expires_at: float
    jkt: str | None = None


class AnswerCache:
    """The last `capacity` answers that were used."""

    def __init__(self, capacity: int) -> None:
        self._answers: OrderedDict[Key, Answer] = OrderedDict()
        self._capacity = capacity

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: Key, now: float) -> Answer | None:
        """The answer, if there is one that has not expired."""
        answer = self._answers.get(key)
        if answer is None:
            return None
        if now >= answer.expires_at:
            del self._answers[key]
            return None
        self._answers.move_to_end(key)
        return answer

    def put(self, key: Key, answer: Answer) -> None:
        """Keep an answer; the one that was not used for longest makes room."""
        self._answers[key] = answer
        self._answers.move_to_end(key)
        if len(self._answers) > self._capacity:
            self._answers.popitem(last=False)

    def drop(self, key: Key) -> None:
        """Forget one answer."""
        self._answers.pop(key, None)

    def drop_where(self, is_bad: Callable[[Answer], bool]) -> int:
        """Forget every answer that is bad; how many those were."""
        bad = [key for key, answer in self._answers.items() if is_bad(answer)]
        for key in bad:
            del self._answers[key]
        return len(bad)

    def clear(self) -> None:
        """Forget everything."""
        self._answers.clear()
