"""Lanes: a user waits for itself only, and not for long."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from sidecar.errors import OverloadedError
from sidecar.lanes import Lanes


@pytest.fixture
async def lanes() -> AsyncIterator[Lanes]:
    made = Lanes(threads=2, wait_seconds=0.05)
    yield made
    made.close()


class Work:
    """Something slow, until `gate` is set."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.done = False

    def __call__(self) -> str:
        self.begun.set()
        self.gate.wait(5)
        self.done = True
        return "looked"


async def test_the_result_and_the_error_of_the_work_come_back(lanes: Lanes) -> None:
    """A lane is free again after either."""

    def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await lanes.run(1, fail)
    assert await lanes.run(1, lambda: 7) == 7


async def test_one_user_does_one_thing_at_a_time(lanes: Lanes) -> None:
    """The second look of the same user waits, and is overloaded before long; another user is served at once."""
    slow = Work()
    first = asyncio.create_task(lanes.run(1, slow))
    await asyncio.to_thread(slow.begun.wait, 5)
    assert await lanes.run(2, lambda: "quick") == "quick"
    with pytest.raises(OverloadedError, match="uid 1"):
        await lanes.run(1, lambda: "never")
    slow.gate.set()
    assert await first == "looked"
    assert await lanes.run(1, lambda: "free") == "free"


async def test_many_users_wait_no_longer(lanes: Lanes) -> None:
    """When all threads are taken, a user whose lane is free is overloaded too, and its lane stays free."""
    slow = [Work(), Work()]
    running = [asyncio.create_task(lanes.run(number, work)) for number, work in enumerate(slow)]
    for work in slow:
        await asyncio.to_thread(work.begun.wait, 5)
    with pytest.raises(OverloadedError):
        await lanes.run(7, lambda: "never")
    for work in slow:
        work.gate.set()
    await asyncio.gather(*running)
    assert await lanes.run(7, lambda: "free") == "free"


async def test_a_cancelled_caller_leaves_no_thread_behind(lanes: Lanes) -> None:
    """It waits for the thread, which uses its descriptors, and holds the lane until then; however often it is told."""
    slow = Work()
    caller = asyncio.create_task(lanes.run(1, slow))
    await asyncio.to_thread(slow.begun.wait, 5)
    for _ in range(3):
        caller.cancel()
        await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await lanes.run(1, lambda: "never")
    slow.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert slow.done
