"""Concurrent requests leave as one: `/v1/issue` takes up to 256 at once, for one proof and one commit.

Nothing waits for a clock. A request leaves at the end of the event loop's turn, together with all others of that turn;
while enough batches are under way, the next ones gather and leave when one returns.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from remit.errors import RemitError, UnavailableError
from sidecar.errors import IssuerRefusedError, OverloadedError
from sidecar.evidence import Evidence
from sidecar.issue import IssuedToken, TokenRequest, decode_answer, encode_request

MAX_BATCH = 256
_MAX_BATCH_BYTES = 768 << 10
_MAX_UNDER_WAY = 2
_MAX_WAITING = 8192
_MAX_WAITING_PER_UID = 2048

Post = Callable[[bytes], Awaitable[bytes]]


class _Waiting:
    __slots__ = ("body", "outcome", "uid")

    def __init__(self, uid: int, body: bytes, outcome: asyncio.Future[tuple[IssuedToken, ...]]) -> None:
        self.uid = uid
        self.body = body
        self.outcome = outcome


class Batcher:
    """Gathers requests and asks the issuer."""

    def __init__(self, post: Post, observe: Callable[[int], None] = lambda _size: None) -> None:
        """`post` sends one batch's body and returns the answer's; `observe` is told the size of each batch."""
        self._post = post
        self._observe = observe
        self._waiting: deque[_Waiting] = deque()
        self._per_uid: dict[int, int] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._closed = False

    async def issue(self, evidence: Evidence, request: TokenRequest) -> tuple[IssuedToken, ...]:
        """Get the tokens that a workload asks for; never an empty tuple.

        Raises:
            IssuerRefusedError: the issuer refused.
            UnavailableError: it did not answer.
            OverloadedError: too many requests wait, of all or of this user.
        """
        if self._closed:
            raise UnavailableError("the sidecar is shutting down")
        waiting_of_uid = self._per_uid.get(evidence.uid, 0)
        if len(self._waiting) >= _MAX_WAITING or waiting_of_uid >= _MAX_WAITING_PER_UID:
            raise OverloadedError("too many requests wait for the issuer", hint="try again with a backoff")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(evidence.uid, encode_request(evidence, request), loop.create_future())
        self._waiting.append(waiting)
        self._per_uid[evidence.uid] = waiting_of_uid + 1
        self._schedule()
        return await waiting.outcome

    async def close(self) -> None:
        """Stop; whatever waits is answered with `UnavailableError`."""
        self._closed = True
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        _settle_all(self._waiting, UnavailableError("the sidecar is shutting down"))
        self._waiting.clear()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        self._scheduled = False
        while not self._closed and self._waiting and len(self._under_way) < _MAX_UNDER_WAY:
            task = asyncio.get_running_loop().create_task(self._exchange(self._take()))
            self._under_way.add(task)
            task.add_done_callback(self._returned)

    def _returned(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if self._waiting:
            self._schedule()

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < MAX_BATCH:
            size += len(self._waiting[0].body)
            if batch and size > _MAX_BATCH_BYTES:
                break
            waiting = self._waiting.popleft()
            self._leave(waiting.uid)
            if not waiting.outcome.done():
                batch.append(waiting)
        return batch

    def _leave(self, uid: int) -> None:
        left = self._per_uid[uid] - 1
        if left:
            self._per_uid[uid] = left
        else:
            del self._per_uid[uid]

    async def _exchange(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        self._observe(len(batch))
        body = b'{"requests":[' + b",".join(waiting.body for waiting in batch) + b"]}"
        try:
            outcomes = decode_answer(await self._post(body), len(batch))
        except IssuerRefusedError as error:
            await self._narrow_down(batch, error)
        except RemitError as error:
            _settle_all(batch, error)
        except asyncio.CancelledError:
            _settle_all(batch, UnavailableError("the sidecar is shutting down"))
            raise
        else:
            for waiting, outcome in zip(batch, outcomes, strict=True):
                _settle(waiting, outcome)

    async def _narrow_down(self, batch: list[_Waiting], error: IssuerRefusedError) -> None:
        """The issuer refused a batch as a whole: find the request that it cannot read, so that the others do not suffer."""
        if len(batch) == 1:
            _settle(batch[0], error)
            return
        middle = len(batch) // 2
        await self._exchange(batch[:middle])
        await self._exchange(batch[middle:])


def _settle_all(batch: Iterable[_Waiting], error: RemitError) -> None:
    for waiting in batch:
        _settle(waiting, error)


def _settle(waiting: _Waiting, outcome: tuple[IssuedToken, ...] | RemitError) -> None:
    if waiting.outcome.done():
        return
    if isinstance(outcome, RemitError):
        waiting.outcome.set_exception(outcome)
    else:
        waiting.outcome.set_result(outcome)
