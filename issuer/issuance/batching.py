"""Requests that arrive at the same time become one batch; while one is being recorded, the next gathers.

So a busy issuer pays for one read, one transaction and one wake-up per batch, and an idle one adds no delay.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Runs what is submitted in batches, one after the other."""

    def __init__(self, run: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, most: int) -> None:
        """Give each batch to `run`, which answers every item in its order.

        Args:
            run: handles a batch.
            most: no further submission joins a batch of so many items.
        """
        self._run = run
        self._most = most
        self._waiting: list[tuple[Sequence[T], asyncio.Future[Sequence[R]]]] = []
        self._task: asyncio.Task[None] | None = None

    async def submit(self, items: Sequence[T]) -> Sequence[R]:
        """Return the results for `items`; raises what `run` raised for their batch."""
        future: asyncio.Future[Sequence[R]] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._run_batch(self._take())
        finally:
            self._task = None

    def _take(self) -> list[tuple[Sequence[T], asyncio.Future[Sequence[R]]]]:
        size = taken = 0
        for items, _ in self._waiting:
            if taken and size + len(items) > self._most:
                break
            size += len(items)
            taken += 1
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return batch

    async def _run_batch(self, batch: list[tuple[Sequence[T], asyncio.Future[Sequence[R]]]]) -> None:
        try:
            results = iter(await self._run([item for items, _ in batch for item in items]))
        except Exception as error:  # noqa: BLE001 - it is each submitter's answer
            for _, future in batch:
                if not future.cancelled():
                    future.set_exception(error)
            return
        for items, future in batch:
            answer = list(islice(results, len(items)))
            if not future.cancelled():
                future.set_result(answer)
