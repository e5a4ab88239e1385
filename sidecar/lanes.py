"""Slow looks at processes and files: off the event loop, one at a time for each user, never long in the queue.

What is looked at is chosen by the caller, and a look may hash half a gigabyte. So a user who has much to look at waits for
itself only, in a lane of its own, and is told `overloaded` where others would be kept waiting.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from weakref import WeakValueDictionary

from sidecar.errors import OverloadedError

_THREADS = 8
_WAIT_SECONDS = 2.0

T = TypeVar("T")


class Lanes:
    """One lane for each user who has something to look at now."""

    def __init__(self, *, threads: int = _THREADS, wait_seconds: float = _WAIT_SECONDS) -> None:
        """At most `threads` users are served at a time; `wait_seconds` is how long a look waits for its turn."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="look")
        self._slots = asyncio.Semaphore(threads)
        self._wait_seconds = wait_seconds
        self._lanes: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def run(self, uid: int, work: Callable[[], T]) -> T:
        """Do `work` in a thread, for that user; return or raise what it does.

        Who is cancelled waits until the thread is done: it uses descriptors that the caller closes.

        Raises:
            OverloadedError: its turn did not come in time.
        """
        lane = self._lanes.setdefault(uid, asyncio.Lock())
        try:
            async with asyncio.timeout(self._wait_seconds):
                await lane.acquire()
                try:
                    await self._slots.acquire()
                except BaseException:
                    lane.release()
                    raise
        except TimeoutError as error:
            raise OverloadedError(
                f"too many programs of uid {uid} are being looked at", hint="try again with a backoff"
            ) from error
        try:
            return await _finish(asyncio.get_running_loop().run_in_executor(self._pool, work))
        finally:
            self._slots.release()
            lane.release()

    def close(self) -> None:
        """Start nothing more, and wait for what runs."""
        self._pool.shutdown(cancel_futures=True)


async def _finish(job: asyncio.Future[T]) -> T:
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        while not job.done():
            try:
                await asyncio.wait([job])
            except asyncio.CancelledError:
                continue  # told already; the thread cannot be
        raise
